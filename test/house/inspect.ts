/** Reads sources as text and holds them against the plan. Pure: files in, complaints out. */
import {
  BUDGETS, ENGINE_ROOMS, ENTRIES, FLOORS, LIBRARIES, NARROW_DOORS, OUTSIDE_CORE, SIDEWAYS_ALLOWED, TYPES_ONLY
} from './plan.js'

/** Path below `src/` to text. */
export type Sources = ReadonlyMap<string, string>

interface Import {
  readonly from: string
  readonly target: string
  readonly typesOnly: boolean
}

const IMPORT = /^\s*(?:import|export)\s+(type\s+)?([^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]/gm
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g

export const roomOf = (path: string): string => (path.includes('/') ? path.slice(0, path.indexOf('/')) : '')

export const lineCount = (text: string): number => text.split('\n').length - (text.endsWith('\n') ? 1 : 0)

/** True when every name in `import { type A, type B } from` is a type. */
const onlyTypeNames = (clause: string): boolean => {
  const names = /\{([^}]*)\}/.exec(clause)?.[1]?.split(',').map((n) => n.trim()).filter((n) => n !== '') ?? []
  return names.length > 0 && !/^\s*\w+\s*,/.test(clause) && names.every((n) => n.startsWith('type '))
}

const importsOf = (path: string, text: string): readonly Import[] => {
  const found: Import[] = []
  for (const [, type, clause, target] of text.matchAll(IMPORT)) {
    if (target !== undefined) found.push({ from: path, target, typesOnly: type !== undefined || onlyTypeNames(clause ?? '') })
  }
  for (const [, target] of text.matchAll(DYNAMIC)) {
    if (target !== undefined) found.push({ from: path, target, typesOnly: false })
  }
  return found
}

const resolve = (from: string, target: string): string => {
  const parts = from.split('/').slice(0, -1)
  for (const step of target.split('/')) {
    if (step === '..') parts.pop()
    else if (step !== '.') parts.push(step)
  }
  return parts.join('/').replace(/\.js$/, '.ts')
}

const floorOf = (room: string): number => FLOORS[room] ?? -1

const judgeLocal = (from: string, to: string, typesOnly: boolean): string | undefined => {
  const [room, other] = [roomOf(from), roomOf(to)]
  if (room === other) return undefined
  const doors = NARROW_DOORS[room]
  if (doors !== undefined && !doors.some((door) => to === door || (door.endsWith('/') && to.startsWith(door)))) {
    return `${from}: ${room}/ may import only ${doors.join(', ')}, not ${to}`
  }
  if (TYPES_ONLY.some(([a, b]) => a === room && b === other) && !typesOnly) {
    return `${from}: ${room}/ may import only types of ${other}/ (${to})`
  }
  if (SIDEWAYS_ALLOWED.some(([a, b]) => a === room && b === other)) return undefined
  if (floorOf(other) >= floorOf(room)) {
    return `${from}: floor ${floorOf(room)} (${room}/) may not import floor ${floorOf(other)} (${to})`
  }
  return undefined
}

const judgeLibrary = (from: string, library: string): string | undefined => {
  if (library.startsWith('node:')) return undefined
  const name = library.startsWith('@') ? library.split('/').slice(0, 2).join('/') : library.split('/')[0] ?? ''
  const rooms = LIBRARIES[name]
  if (rooms === undefined) return `${from}: the library ${name} has no room in test/house/plan.ts`
  return rooms.includes(roomOf(from)) ? undefined : `${from}: only ${rooms.join(', ')}/ may import ${name}`
}

/** Floors, doors, libraries, aliases. */
export const importComplaints = (sources: Sources): readonly string[] => {
  const complaints: string[] = []
  for (const [path, text] of sources) {
    if (roomOf(path) !== '' && FLOORS[roomOf(path)] === undefined) complaints.push(`${path}: no floor for ${roomOf(path)}/`)
    for (const { target, typesOnly } of importsOf(path, text)) {
      const local = target.startsWith('.')
      if (local && !target.endsWith('.js') && !target.endsWith('.json')) complaints.push(`${path}: import ${target} without .js`)
      const complaint = local ? judgeLocal(path, resolve(path, target), typesOnly) : judgeLibrary(path, target)
      if (complaint !== undefined) complaints.push(complaint)
    }
  }
  return complaints
}

/** Names, first lines, sizes, marks that do not belong in sources. */
export const fileComplaints = (sources: Sources): readonly string[] => {
  const complaints: string[] = []
  for (const [path, text] of sources) {
    const name = path.split('/').at(-1) ?? ''
    if (!/^[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(name)) complaints.push(`${path}: file names are kebab-case`)
    if (/manager|helper|util/i.test(name)) complaints.push(`${path}: say what it is`)
    if (!/^(#!.*\n)?\/\*\*/.test(text)) complaints.push(`${path}: does not open with what it is`)
    if (lineCount(text) > BUDGETS.file) complaints.push(`${path}: ${lineCount(text)} lines, the limit is ${BUDGETS.file}`)
    if (/\b(TODO|FIXME|XXX|HACK)\b/.test(text)) complaints.push(`${path}: leaves a mark in place of work`)
    if (/@ts-(ignore|nocheck|expect-error)|eslint-disable/.test(text)) complaints.push(`${path}: silences the checker`)
    if (/^export default/m.test(text) && roomOf(path) !== 'plugins') complaints.push(`${path}: default exports are for plugins`)
    if (/^(let|var) /m.test(text)) complaints.push(`${path}: mutable state of a module`)
    if (path.split('/').length > 2 && !/^(plugins|cluster\/strategies|stream\/features)\b/.test(path)) complaints.push(`${path}: rooms are one level deep`)
  }
  return complaints
}

/** Files that nobody imports and nobody starts. */
export const orphans = (sources: Sources): readonly string[] => {
  const used = new Set<string>()
  for (const [path, text] of sources) {
    for (const { target } of importsOf(path, text)) if (target.startsWith('.')) used.add(resolve(path, target))
  }
  return [...sources.keys()].filter((path) => !used.has(path) && !ENTRIES.some((entry) => entry.test(path)))
}

export interface Totals {
  readonly rooms: ReadonlyMap<string, number>
  readonly engine: number
  readonly core: number
  readonly pluginMedian: number
}

export const totals = (sources: Sources): Totals => {
  const rooms = new Map<string, number>()
  const plugins: number[] = []
  for (const [path, text] of sources) {
    const room = roomOf(path)
    rooms.set(room, (rooms.get(room) ?? 0) + lineCount(text))
    if (room === 'plugins') plugins.push(lineCount(text))
  }
  const sum = (names: readonly string[]): number => names.reduce((total, name) => total + (rooms.get(name) ?? 0), 0)
  const coreRooms = [...rooms.keys()].filter((room) => !(OUTSIDE_CORE as readonly string[]).includes(room))
  const sorted = plugins.toSorted((a, b) => a - b)
  return { rooms, engine: sum(ENGINE_ROOMS), core: sum(coreRooms), pluginMedian: sorted[Math.floor(sorted.length / 2)] ?? 0 }
}

export const budgetComplaints = (sources: Sources): readonly string[] => {
  const { engine, core, pluginMedian } = totals(sources)
  const complaints: string[] = []
  const over = (what: string, lines: number, budget: number): void => {
    if (lines > budget) complaints.push(`${what}: ${lines} lines, the budget is ${budget}`)
  }
  over('the engine', engine, BUDGETS.engine)
  over('everything but plugins, rules, federation and admin', core, BUDGETS.core)
  over('the median plugin', pluginMedian, BUDGETS.pluginMedian)
  over('main.ts', lineCount(sources.get('main.ts') ?? ''), BUDGETS.main)
  over('server.ts', lineCount(sources.get('server.ts') ?? ''), BUDGETS.server)
  return complaints
}

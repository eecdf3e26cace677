/**
 * Tigase names ports per connection manager and says of each whether it is `ssl`; here each kind of door has an option of
 * its own. This turns `c2s/connections/ports[i]=5222,5223` and `c2s/connections/5223/socket=ssl` into ours.
 */
import type { Assignment } from './translate.js'

interface Doors {
  /** Tigase's global option. */
  readonly given: string
  readonly plain: string
  readonly tls: string
  /** Ports that are TLS in Tigase without a line that says so. */
  readonly tlsByHabit: readonly string[]
}

const MANAGERS: Readonly<Record<string, Doors>> = {
  c2s: { given: '--c2s-ports', plain: '--c2s-ports', tls: '--c2s-tls-ports', tlsByHabit: ['5223'] },
  bosh: { given: '--bosh-ports', plain: '--http-ports', tls: '--https-ports', tlsByHabit: [] },
  ws2s: { given: '--ws2s-ports', plain: '--ws2s-ports', tls: '--ws2s-tls-ports', tlsByHabit: [] }
}

const PORTS = /^(c2s|bosh|ws2s)\/connections\/ports$/
const SOCKET = /^(c2s|bosh|ws2s)\/connections\/(\d{1,5})\/socket$/

/** Options that take part in the plan. */
export const isPortOption = (name: string): boolean => Object.values(MANAGERS).some((d) => [d.given, d.plain, d.tls].includes(name))

/** True for the lines that `planPorts` looks at. */
export const isPortLine = (key: string): boolean => PORTS.test(key) || SOCKET.test(key)

const words = (text: string): readonly string[] => text.split(',').map((word) => word.trim()).filter((word) => word !== '')

/** `lines`: last one of each key, keys without type letters. Returns what to set, in place of the lines. */
export function planPorts(lines: ReadonlyMap<string, Assignment>): readonly Assignment[] {
  return Object.entries(MANAGERS).flatMap(([name, doors]) => planOne(name, doors, lines))
}

function planOne(name: string, doors: Doors, lines: ReadonlyMap<string, Assignment>): readonly Assignment[] {
  const listed = lines.get(`${name}/connections/ports`) ?? lines.get(doors.given)
  const sockets = [...lines].filter(([key]) => key.startsWith(`${name}/`) && SOCKET.test(key))
  const origin = listed ?? sockets[0]?.[1]
  if (origin === undefined) return []
  const kind = new Map(sockets.map(([key, line]) => [SOCKET.exec(key)?.[2] ?? '', line.value.trim().toLowerCase()]))
  const isTls = (port: string): boolean => (kind.has(port) ? kind.get(port) !== 'plain' : doors.tlsByHabit.includes(port))
  const ports = words(listed?.value ?? '')
  const marked = [...kind.keys()].filter((port) => isTls(port) && !ports.includes(port))
  const tls = [...ports.filter(isTls), ...marked]
  const merged = (option: string, list: readonly string[]): Assignment => {
    const ours = option === doors.given ? undefined : lines.get(option)
    return { ...origin, key: option, value: [...new Set([...words(ours?.value ?? ''), ...list])].join(',') }
  }
  return [
    ...(doors.given === doors.plain || listed === undefined ? [] : [{ ...origin, key: doors.given, value: '' }]),
    ...(listed === undefined ? [] : [merged(doors.plain, ports.filter((port) => !isTls(port)))]),
    ...(tls.length === 0 ? [] : [merged(doors.tls, tls)])
  ]
}

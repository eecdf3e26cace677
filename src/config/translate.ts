/**
 * From lines as written to assignments of our options: Tigase's other names, component lines, plugin settings; and a
 * complaint for each line that nobody knows, a warning for each that changes nothing here. Pure.
 */
import { masked, type Complaint, type Origin } from './fault.js'
import { didYouMean } from './nearest.js'
import { classify, typeFault, type Entry, type Line } from './properties.js'
import { GLOBALS, globalRule, type Rule } from './tigase.js'
import { ABSENT, classAdvice, componentNames, componentRule } from './tigase-components.js'
import { isPortLine, isPortOption, planPorts } from './tigase-ports.js'

/** One of our options (or `<plugin id>/<key>`) is to get this value. `written` is the key in the file. */
export interface Assignment {
  readonly origin: Origin
  readonly key: string
  readonly value: string
  readonly written: string
}

export interface Translated {
  /** By option name. */
  readonly options: ReadonlyMap<string, Assignment>
  /** By `<plugin id>/<key>`, or `/<key>` for all plugins. */
  readonly plugins: ReadonlyMap<string, Assignment>
  readonly faults: readonly Complaint[]
  readonly warnings: readonly Complaint[]
}

type GlobalLine = Line & { readonly kind: 'global' }
type ComponentLine = Line & { readonly kind: 'component' }

const COMPONENT_PAIR = /^--comp-(name|class)-(.+)$/

export class Translation {
  readonly #options = new Map<string, Assignment>()
  readonly #plugins = new Map<string, Assignment>()
  readonly #ports = new Map<string, Assignment>()
  readonly #faults: Complaint[] = []
  /** By what was known of the line: one warning for each. */
  readonly #warnings = new Map<string, { readonly first: Complaint; readonly keys: Set<string> }>()
  /** Suffix to name and class. */
  readonly #pairs = new Map<string, { name?: Entry; className?: Entry }>()
  readonly #declared: ReadonlySet<string>
  readonly #isPluginKey: (id: string, key: string) => boolean

  constructor(declared: ReadonlySet<string>, isPluginKey: (id: string, key: string) => boolean) {
    this.#declared = declared
    this.#isPluginKey = isPluginKey
  }

  run(entries: readonly Entry[]): Translated {
    for (const entry of entries) this.#pair(entry)
    for (const entry of entries) this.#line(entry)
    for (const set of planPorts(this.#ports)) if (this.#declared.has(set.key)) this.#options.set(set.key, set)
    this.#judgePairs()
    const warnings = [...this.#warnings.values()].map(({ first, keys }) =>
      (keys.size < 2 ? first : { ...first, problem: `${first.problem} (${keys.size} lines)` }))
    return { options: this.#options, plugins: this.#plugins, faults: this.#faults, warnings }
  }

  #line(entry: Entry): void {
    if (COMPONENT_PAIR.test(entry.key)) return
    try {
      const line = classify(entry.key)
      if (line.kind === 'global') this.#global(entry, line)
      else this.#component(entry, line)
    } catch (error) {
      this.#fault(entry, error instanceof Error ? error.message : String(error))
    }
  }

  #global(entry: Entry, line: GlobalLine): void {
    const perDomain = line.domains.length > 0
    if (this.#declared.has(line.name) && !perDomain) {
      this.#assign(entry, line.name, entry.value)
      return
    }
    const found = globalRule(line.name, perDomain)
    if (found !== undefined) this.#apply(entry, found.known, found.rule)
    else this.#fault(entry, `unknown option${didYouMean(line.name, [...this.#declared, ...Object.keys(GLOBALS)])}`)
  }

  #component(entry: Entry, { component, path, type }: ComponentLine): void {
    const key = [component, ...path].join('/')
    const bad = typeFault(type, entry.value)
    if (bad !== undefined) throw new Error(bad)
    if (isPortLine(key)) {
      this.#ports.set(key, { ...entry, key, written: entry.key })
      return
    }
    if (component === 'sess-man' && path[0] === 'plugins-conf' && this.#plugin(entry, path.slice(1))) return
    const found = componentRule(component, path)
    if (found !== undefined) this.#apply(entry, found.known, found.rule)
    else if (!this.#isLoaded(component)) this.#fault(entry, `unknown line${didYouMean(key, componentNames(component))}`)
  }

  #plugin(entry: Entry, path: readonly string[]): boolean {
    const [id, key] = [path.slice(0, -1).join('/'), path.at(-1) ?? '']
    if (!this.#isPluginKey(id, key)) return false
    this.#plugins.set(`${id}/${key}`, { ...entry, key, written: entry.key })
    return true
  }

  #apply(entry: Entry, known: string, rule: Rule): void {
    const value = rule.value === undefined ? entry.value : rule.value(entry.value)
    if (rule.to !== undefined && value !== undefined && this.#declared.has(rule.to)) this.#assign(entry, rule.to, value)
    else if (rule.instead !== undefined && rule.fine?.test(entry.value) !== true) this.#warn(entry, known, `ignored: ${rule.instead}`)
    else if (rule.to !== undefined && value !== undefined) this.#warn(entry, known, 'ignored: there is nothing like it in this version')
  }

  #assign(entry: Entry, key: string, value: string): void {
    const assignment = { origin: entry.origin, key, value, written: entry.key }
    this.#options.set(key, assignment)
    if (isPortOption(key)) this.#ports.set(key, assignment)
  }

  #pair(entry: Entry): void {
    const [, part, suffix = ''] = COMPONENT_PAIR.exec(entry.key) ?? []
    if (part === undefined) return
    const pair = this.#pairs.get(suffix) ?? {}
    this.#pairs.set(suffix, part === 'name' ? { ...pair, name: entry } : { ...pair, className: entry })
  }

  #isLoaded(component: string): boolean {
    return [...this.#pairs.values()].some(({ name }) => name?.value.toLowerCase() === component)
  }

  /** One warning for a component, its lines of settings included. */
  #judgePairs(): void {
    for (const [suffix, { name, className }] of this.#pairs) {
      const one = name ?? className
      if (one === undefined) continue
      if (name === undefined || className === undefined) {
        this.#fault(one, `needs --comp-${name === undefined ? 'name' : 'class'}-${suffix} beside it`)
        continue
      }
      const component = name.value.toLowerCase()
      const advice = Object.hasOwn(ABSENT, component) ? ABSENT[component] : undefined
      this.#warnings.delete(`${component}/`)
      this.#warn(className, `${component}/`, `component ${component} and its lines are ignored: ${advice ?? classAdvice(className.value)}`)
    }
  }

  #warn(entry: Entry, known: string, problem: string): void {
    const warning = this.#warnings.get(known)
    if (warning !== undefined) warning.keys.add(entry.key)
    else this.#warnings.set(known, { first: { origin: entry.origin, key: entry.key, problem }, keys: new Set([entry.key]) })
  }

  #fault(entry: Entry, problem: string): void {
    this.#faults.push({ origin: entry.origin, key: entry.key, given: masked(entry.key, entry.value), problem })
  }
}

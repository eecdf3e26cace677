/**
 * Which addresses to dial, and when: back-off with jitter, the larger name waits a moment so that two nodes seldom dial
 * each other at once. Pure: time and chance are passed in.
 */
const FIRST_MS = 200
const LONGEST_MS = 10_000
/** The same for a node that the table says is alive: what is for it waits. */
const LONGEST_ALIVE_MS = 2000
/** What the larger name waits for the smaller one to dial. */
const COURTESY_MS = 1000

export interface Target {
  readonly address: string
  /** Who answers there, once known. */
  node: string | undefined
  failures: number
  nextAt: number
  dialling: boolean
}

export class Dialler {
  readonly #targets = new Map<string, Target>()
  /** Addresses where we met ourselves. */
  readonly #own = new Set<string>()

  constructor(private readonly selfName: string, private readonly chance: () => number) {}

  /** An address to hold a link to. `node` is unknown for a static contact. */
  want(address: string, node: string | undefined, now: number): void {
    const known = this.#targets.get(address)
    if (known !== undefined) {
      known.node = node ?? known.node
      return
    }
    if (this.#own.has(address) || node === this.selfName) return
    const nextAt = now + this.#courtesyMs(node)
    this.#targets.set(address, { address, node, failures: 0, nextAt, dialling: false })
  }

  /** That node is over: its address is dialled no more. Static contacts stay. */
  forget(node: string, contacts: readonly string[]): void {
    for (const target of this.#targets.values()) {
      if (target.node !== node) continue
      target.node = undefined
      if (!contacts.includes(target.address)) this.#targets.delete(target.address)
    }
  }

  due(now: number, linked: (node: string) => boolean): readonly Target[] {
    const targets = [...this.#targets.values()]
    const busy = new Set(targets.filter((target) => target.dialling).map((target) => target.node))
    return targets.filter((target) => {
      if (target.dialling || target.nextAt > now) return false
      if (target.node === undefined) return true
      if (linked(target.node) || busy.has(target.node)) return false
      busy.add(target.node) // one address of a node at a time
      return true
    })
  }

  reached(target: Target, node: string): void {
    target.dialling = false
    target.failures = 0
    target.node = node
  }

  failed(target: Target, now: number): void {
    target.dialling = false
    const waitMs = Math.min(target.node === undefined ? LONGEST_MS : LONGEST_ALIVE_MS, FIRST_MS * 2 ** target.failures)
    target.failures++
    target.nextAt = now + waitMs * (0.5 + this.chance())
  }

  /** A link to `node` broke: dial again soon. */
  broken(node: string, now: number): void {
    for (const target of this.#targets.values()) {
      if (target.node === node) target.nextAt = now + this.#courtesyMs(node) + FIRST_MS * this.chance()
    }
  }

  /** The address turned out to be our own. */
  own(target: Target): void {
    this.#own.add(target.address)
    this.#targets.delete(target.address)
  }

  #courtesyMs(node: string | undefined): number {
    return node !== undefined && node < this.selfName ? COURTESY_MS : 0
  }
}

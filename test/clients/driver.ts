/**
 * What the ring asks of a third-party client, whatever its library: one interface, and the journal of what its user sees.
 */
import type { NodePorts } from '../support/node-process.js'

export interface Door {
  readonly ports: NodePorts
  /** `starttls` and `direct` differ for TCP only; over HTTP both mean TLS. */
  readonly security: 'plain' | 'starttls' | 'direct'
  /** PEM with the node's certificate, for clients that check it. */
  readonly certificate: string
  /** The node offers SCRAM with channel binding, over TLS. */
  readonly bindings: boolean
}

export interface Account {
  readonly user: string
  readonly domain: string
  readonly password: string
}

export interface Contact {
  readonly jid: string
  readonly subscription: string
}

export interface MessageSeen {
  readonly what: 'message'
  readonly from: string
  readonly body: string
}

export interface PresenceSeen {
  readonly what: 'presence'
  readonly from: string
  readonly type: 'available' | 'unavailable' | 'subscribe' | 'subscribed' | string
  readonly show: string
  readonly status: string
}

export type Seen = MessageSeen | PresenceSeen

export type Show = 'away' | 'dnd' | 'chat' | 'xa'

export interface Driver {
  readonly journal: Journal
  /** Logs in, asks for the roster and becomes available; returns the full JID. */
  login(door: Door, account: Account): Promise<string>
  roster(): Promise<readonly Contact[]>
  subscribe(bare: string): Promise<void>
  accept(bare: string): Promise<void>
  setShow(show: Show, status: string): Promise<void>
  send(to: string, body: string): Promise<void>
  /** Ends the stream in the library's own polite way. */
  leave(): Promise<void>
  /** Frees what is left, whatever happened. */
  end(): Promise<void>
}

/** A client whose stream management brings a session back by itself. */
export interface ResumingDriver extends Driver {
  readonly line: Line
  /** As when the system says that there is another network: the connection is dropped without a word. */
  changeNetworks(): Promise<void>
}

/** Whether the stream of a client lives, and how often it came back. */
export class Line {
  resumptions = 0
  #up = false
  #failure: Error | undefined
  #waiting: (() => void)[] = []

  /** @param resumed not for the first time */
  up(resumed: boolean): void {
    this.#up = true
    if (resumed) this.resumptions++
    this.#wake()
  }

  down(): void {
    this.#up = false
  }

  /** The session is lost: what the library says of it. */
  failed(why: string): void {
    this.#failure ??= new Error(why)
    this.#wake()
  }

  /** Resolves when stanzas may be given to the library; rejects when the session is lost. */
  async live(): Promise<void> {
    while (!this.#up && this.#failure === undefined) await new Promise<void>((resolve) => { this.#waiting.push(resolve) })
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Resolves at the next return. */
  async back(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    await new Promise<void>((resolve) => { this.#waiting.push(resolve) })
  }

  #wake(): void {
    for (const go of this.#waiting.splice(0)) go()
  }
}

/** Longer than any answer takes while fourteen clients share a busy machine. */
const PATIENCE_MS = 25_000

interface Waiting {
  readonly wants: (seen: Seen) => boolean
  readonly found: (seen: Seen) => void
}

/** What a user has seen and the play has not yet asked for, oldest first. */
export class Journal {
  readonly #seen: Seen[] = []
  readonly #waiting = new Set<Waiting>()

  constructor(readonly owner: string) {}

  saw(seen: Seen): void {
    for (const waiting of this.#waiting) {
      if (!waiting.wants(seen)) continue
      this.#waiting.delete(waiting)
      waiting.found(seen)
      return
    }
    this.#seen.push(seen)
  }

  /** The oldest that `wants` accepts, seen already or yet to come. */
  async until(what: string, wants: (seen: Seen) => boolean): Promise<Seen> {
    const index = this.#seen.findIndex(wants)
    if (index >= 0) return this.#seen.splice(index, 1)[0] as Seen
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { wants, found: (seen) => { clearTimeout(late); resolve(seen) } }
      const late = setTimeout(() => {
        this.#waiting.delete(waiting)
        reject(new Error(`${this.owner} did not see ${what}; it saw ${JSON.stringify(this.#seen)}`))
      }, PATIENCE_MS)
      this.#waiting.add(waiting)
    })
  }

  /** What is left. */
  get rest(): readonly Seen[] {
    return this.#seen
  }

  async presence(from: string, type: string, also: Partial<PresenceSeen> = {}): Promise<PresenceSeen> {
    const fits = (seen: Seen): boolean => seen.what === 'presence' && seen.type === type && isFrom(seen.from, from)
      && Object.entries(also).every(([name, value]) => seen[name as keyof PresenceSeen] === value)
    return await this.until(`presence ${type} ${JSON.stringify(also)} from ${from}`, fits) as PresenceSeen
  }

  async message(from: string): Promise<MessageSeen> {
    return await this.until(`a message from ${from}`, (seen) => seen.what === 'message' && isFrom(seen.from, from)) as MessageSeen
  }
}

/** A bare JID stands for all devices of the account. */
const isFrom = (from: string, wanted: string): boolean => from === wanted || (!wanted.includes('/') && from.startsWith(`${wanted}/`))

export function presenceSeen(from: string, type = 'available', show = '', status = ''): PresenceSeen {
  return { what: 'presence', from, type, show, status }
}

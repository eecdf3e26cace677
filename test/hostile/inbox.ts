/** What one hostile connection hears, in order; shared by the wires of all transports. */
import type { Element } from 'ltx'

export const NS_STREAMS = 'http://etherx.jabber.org/streams'
export const NS_SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
/** Longer than any answer takes on a busy machine, shorter than a test's own limit. */
export const PATIENCE_MS = 6_000

/** How a connection ended. */
export interface Ending {
  /** `</stream:stream>`, `<close/>` or BOSH's terminate came. */
  readonly closeTag: boolean
  /** WebSocket's close code. */
  readonly code?: number
  /** BOSH's condition. */
  readonly condition?: string
}

export class Inbox {
  /** Not yet taken by `next`. */
  readonly elements: Element[] = []
  /** Ids of our streams on this connection, the newest last. */
  readonly streamIds: string[] = []
  readonly errors: Element[] = []
  headers = 0
  /** Attributes of the newest header. */
  header: Readonly<Record<string, string>> = {}
  text = ''
  ending: Ending | undefined
  readonly #watchers = new Set<() => void>()

  /** The end of the connection. */
  over(): Promise<Ending> {
    return this.until(() => this.ending, 'the end')
  }

  opened(attrs: Readonly<Record<string, string>>): void {
    this.headers++
    this.header = attrs
    const id = attrs['id'] ?? attrs['authid']
    if (id !== undefined) this.streamIds.push(id)
    this.#wake()
  }

  arrived(element: Element): void {
    if (element.getName() === 'error' && element.getNS() === NS_STREAMS) this.errors.push(element)
    else this.elements.push(element)
    this.#wake()
  }

  ended(ending: Ending): void {
    this.ending ??= ending
    this.#wake()
  }

  /** The first element that fits, taken out. Rejects when the connection ends before. */
  next(wants: (element: Element) => boolean, what = 'it'): Promise<Element> {
    return this.until(() => {
      const at = this.elements.findIndex(wants)
      return at < 0 ? undefined : this.elements.splice(at, 1)[0]
    }, what)
  }

  /** Waits for something that bytes bring. */
  until<T>(look: () => T | undefined, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer)
        this.#watchers.delete(watch)
        act()
      }
      const failed = (why: string): void =>
        settle(() => { reject(new Error(`${what} did not come: ${why}; heard ${this.text.slice(-1500)}`)) })
      const watch = (): void => {
        const found = look()
        if (found !== undefined) settle(() => { resolve(found) })
        else if (this.ending !== undefined) failed('the connection is over')
      }
      const timer = setTimeout(() => { failed('time is up') }, PATIENCE_MS)
      this.#watchers.add(watch)
      watch()
    })
  }

  #wake(): void {
    for (const watch of [...this.#watchers]) watch()
  }
}

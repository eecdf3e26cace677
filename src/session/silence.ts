/**
 * Clients from which nothing comes (RFC 6120 §4.6.3): their connection may be dead without anybody's knowing. They are asked
 * for a sign of life, and closed when there is none. One look over all streams now and then; nothing is armed per stream.
 */
import type { Deadlines, Timed } from '../stream/deadlines.js'
import type { Stream } from '../stream/stream.js'
import { xml } from '../xml/element.js'
import { StreamError } from '../xmpp/errors.js'
import { Jid } from '../xmpp/jid.js'
import { Stanza } from '../xmpp/stanza.js'

/** Fine enough for times of minutes. */
const LOOK_MS = 5_000
/** A phone may need that long to wake up. */
const ANSWER_MS = 60_000

export interface SilenceParts {
  /** Of all kinds; only those that are open are judged. */
  readonly streams: ReadonlySet<Stream>
  readonly idleMs: number
  /** False while nothing is read from anybody. */
  readonly mayServe: () => boolean
  readonly deadlines: Deadlines
}

/** XEP-0199 §4.2. Whatever answer comes, even an error, has come. */
export function pingTo(jid: Jid): Stanza {
  const head = { kind: 'iq', type: 'get', from: new Jid('', jid.domain, ''), to: jid, id: 'alive' } as const
  return Stanza.of(head, xml('ping', { xmlns: 'urn:xmpp:ping' }))
}

export class Silence implements Timed {
  readonly #streams: ReadonlySet<Stream>
  readonly #idleMs: number
  readonly #mayServe: () => boolean
  readonly #deadlines: Deadlines
  readonly #asked = new Map<Stream, number>()
  /** While nothing is read, silence is not the client's. */
  #listeningSince = 0

  constructor({ streams, idleMs, mayServe, deadlines }: SilenceParts) {
    this.#deadlines = deadlines
    this.#streams = streams
    this.#idleMs = idleMs
    this.#mayServe = mayServe
  }

  /** There is a stream. */
  begin(now: number): void {
    this.#deadlines.look(this, now + LOOK_MS)
  }

  check(now: number): number {
    if (!this.#mayServe()) this.#listeningSince = now
    for (const stream of this.#asked.keys()) if (!this.#streams.has(stream)) this.#asked.delete(stream)
    for (const stream of this.#streams) this.#judge(stream, now)
    return this.#streams.size === 0 ? Infinity : now + LOOK_MS
  }

  #judge(stream: Stream, now: number): void {
    const { consumer, peer } = stream
    if (consumer === undefined || peer.heardAt === undefined) return   // whoever has not bound has other limits
    const heardAt = Math.max(peer.heardAt(), this.#listeningSince)
    const askedAt = this.#asked.get(stream)
    if (now - heardAt < this.#idleMs) {
      if (askedAt !== undefined) this.#asked.delete(stream)
    } else if (askedAt === undefined) {
      this.#asked.set(stream, now)
      consumer.probe()
    } else if (now - askedAt >= ANSWER_MS) stream.close(new StreamError('connection-timeout', 'No sign of life'), 'timeout')
  }
}

/** What one other node must be told of our devices: changes in batches, one batch in flight, a full sync when it begins. */
import type { DeviceRecord, NodeRef } from '../../router/strategy.js'
import { ByteWriter } from '../bytes.js'
import { encodeMessage, sizeOf, type Change, type RegistryMessage } from './registry-codec.js'

/** Records in one batch, as the cluster's design says. */
const BATCH_RECORDS = 1000
/** A batch stays well below what a frame may hold, whatever presences say. */
const BATCH_BYTES = 512 * 1024

interface Waiting {
  readonly change: Change
  readonly told: readonly (() => void)[]
}

export interface OutboxParts {
  readonly node: NodeRef
  /** Our devices now. */
  devices(): Iterable<DeviceRecord>
  send(to: NodeRef, message: Uint8Array): Promise<void>
}

export class Outbox {
  readonly #writer = new ByteWriter()
  /** By session: only the latest change of each. */
  readonly #waiting = new Map<string, Waiting>()
  #inFlight = false
  #sync: 'none' | 'begin' | 'running' = 'none'
  /** A message other than changes: a digest or a pull. */
  #note: RegistryMessage | undefined
  #closed = false

  constructor(private readonly parts: OutboxParts) {}

  /** Nothing waits and nothing is in flight: the other side has all there is. */
  get idle(): boolean {
    return !this.#inFlight && this.#waiting.size === 0 && this.#sync === 'none' && this.#note === undefined
  }

  /** Everything again. */
  sync(): void {
    for (const record of this.parts.devices()) this.#put(record.session, { kind: 'put', record }, undefined)
    this.#sync = 'begin'
    void this.#pump()
  }

  /** @param told is called once the other side has it, or is gone */
  push(session: string, change: Change, told?: () => void): void {
    if (this.#closed) return told?.()
    this.#put(session, change, told)
    void this.#pump()
  }

  note(message: RegistryMessage): void {
    this.#note = message
    void this.#pump()
  }

  /** A message did not get through though its node lives: everything is sent again. */
  retry(): void {
    if (this.#sync === 'begin' && !this.#inFlight) this.sync()
  }

  close(): void {
    this.#closed = true
    for (const { told } of this.#waiting.values()) told.forEach((tell) => tell())
    this.#waiting.clear()
  }

  #put(session: string, change: Change, told: (() => void) | undefined): void {
    const before = this.#waiting.get(session)?.told ?? []
    this.#waiting.set(session, { change, told: told === undefined ? before : [...before, told] })
  }

  async #pump(): Promise<void> {
    if (this.#inFlight) return
    this.#inFlight = true
    for (let batch = this.#next(); batch !== undefined && !this.#closed; batch = this.#next()) {
      try {
        await this.parts.send(this.parts.node, encodeMessage(this.#writer, batch.message))
      } catch {
        this.#sync = 'begin' // gone, and then `close` follows; or refused, and then `retry`
        for (const { told } of batch.taken) told.forEach((tell) => tell())
        break
      }
      for (const { told } of batch.taken) told.forEach((tell) => tell())
    }
    this.#inFlight = false
  }

  #next(): { readonly message: RegistryMessage; readonly taken: readonly Waiting[] } | undefined {
    const note = this.#note
    this.#note = undefined
    if (note !== undefined) return { message: note, taken: [] }
    if (this.#waiting.size === 0 && this.#sync === 'none') return undefined
    const taken = this.#take()
    const begin = this.#sync === 'begin'
    const end = this.#sync !== 'none' && this.#waiting.size === 0
    if (this.#sync !== 'none') this.#sync = end ? 'none' : 'running'
    return { message: { kind: 'batch', begin, end, changes: taken.map(({ change }) => change) }, taken }
  }

  #take(): readonly Waiting[] {
    const taken: Waiting[] = []
    let bytes = 0
    for (const [session, waiting] of this.#waiting) {
      bytes += sizeOf(waiting.change)
      if (taken.length >= BATCH_RECORDS || (taken.length > 0 && bytes > BATCH_BYTES)) break
      taken.push(waiting)
      this.#waiting.delete(session)
    }
    return taken
  }
}

/**
 * Envelopes as they come from each node, in their order. One that was sent under a newer view than ours waits until we
 * have read the table (D.7b, "noview"); those behind it wait too, but nobody else's.
 */
import type { Cancel, Clock } from '../telemetry/clock.js'
import type { Log } from '../telemetry/log.js'
import { isOver } from './ask-table.js'
import type { Envelope, Mesh } from './envelope.js'
import type { NodeRef } from './strategy.js'

const LOOK_MS = 100
/** The table is read every second. After this the database is away or the peer is wrong; nothing of ours moves, so it is served. */
const WAIT_MS = 5_000
/** Of one node; as many as it may send in that time at full speed are more than a node should hold. */
const LINE_MAX = 10_000
const LINE_BYTES_MAX = 16 * 1024 * 1024

interface Line {
  readonly waiting: { readonly from: NodeRef; readonly envelope: Envelope; readonly since: number }[]
  bytes: number
  /** Its warning was written: one for a whole line, not one for each stanza. */
  warned: boolean
}

export class Inbound {
  readonly #mesh: Mesh
  readonly #clock: Clock
  readonly #log: Log
  readonly #serve: (from: NodeRef, envelope: Envelope) => void
  readonly #lines = new Map<string, Line>()
  /** Lives that are over, by name: whatever still comes from them is dropped (I8). */
  readonly #over = new Map<string, NodeRef>()
  #looking: Cancel | undefined

  constructor(mesh: Mesh, clock: Clock, log: Log, serve: (from: NodeRef, envelope: Envelope) => void) {
    this.#mesh = mesh
    this.#clock = clock
    this.#log = log
    this.#serve = serve
  }

  get waiting(): number {
    return [...this.#lines.values()].reduce((sum, line) => sum + line.waiting.length, 0)
  }

  envelope(from: NodeRef, envelope: Envelope): void {
    if (this.isOver(from)) return
    const line = this.#lines.get(from.name)
    if (line === undefined && envelope.view <= this.#mesh.viewNo) {
      this.#serve(from, envelope)
      return
    }
    const entry = { from, envelope, since: this.#clock.now() }
    envelope.stanza.pack()
    const { length } = envelope.stanza.inside
    if (line === undefined) this.#lines.set(from.name, { waiting: [entry], bytes: length, warned: false })
    else {
      line.waiting.push(entry)
      line.bytes += length
      if (isFull(line)) this.look()
    }
    this.#mesh.refresh?.()
    this.#looking ??= this.#clock.every(LOOK_MS, () => this.look())
  }

  isOver(from: NodeRef): boolean {
    const ended = this.#over.get(from.name)
    return ended !== undefined && isOver(from, ended)
  }

  over(node: NodeRef): void {
    if (!this.isOver(node)) this.#over.set(node.name, node)
    const line = this.#lines.get(node.name)
    if (line === undefined) return
    const rest = line.waiting.filter(({ from }) => !isOver(from, node))
    line.waiting.splice(0, line.waiting.length, ...rest)
    line.bytes = rest.reduce((sum, { envelope }) => sum + envelope.stanza.inside.length, 0)
    this.look()
  }

  /** Serves what may be served now. */
  look(): void {
    for (const [name, line] of this.#lines) {
      const { waiting } = line
      for (let next = waiting[0]; next !== undefined && this.#isDue(next, line); next = waiting[0]) {
        waiting.shift()
        line.bytes -= next.envelope.stanza.inside.length
        this.#serve(next.from, next.envelope)
      }
      if (waiting.length === 0) this.#lines.delete(name)
    }
    if (this.#lines.size > 0) return
    this.#looking?.()
    this.#looking = undefined
  }

  /** This life is over. */
  stop(): void {
    this.#looking?.()
    this.#looking = undefined
    this.#lines.clear()
  }

  #isDue({ from, envelope, since }: Line['waiting'][number], line: Line): boolean {
    if (envelope.view <= this.#mesh.viewNo) return true
    if (this.#clock.now() - since < WAIT_MS && !isFull(line)) return false
    if (!line.warned) this.#log.warn({ node: from.name, theirs: envelope.view, ours: this.#mesh.viewNo }, 'view.behind')
    line.warned = true
    return true
  }
}

function isFull({ waiting, bytes }: Line): boolean {
  return waiting.length >= LINE_MAX || bytes >= LINE_BYTES_MAX
}

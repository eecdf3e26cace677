/**
 * Questions to other nodes that are open, by number. An answer counts when it names its question and comes from the life
 * that was asked; a repeated question has a new number, so late answers fall through.
 */
import type { Clock } from '../telemetry/clock.js'
import type { Metrics } from '../telemetry/metrics.js'
import type { Verdict } from './envelope.js'
import type { NodeRef } from './strategy.js'

/** What the router counts. */
export type RouterMetrics = Pick<Metrics, 'answers' | 'answerSeconds'>

/** One question, as whoever asks it keeps it. */
export interface Question {
  readonly node: NodeRef
  /** Its number, given by the table. */
  ask: number
  /** Monotonic, milliseconds. */
  since: number
  answered(verdict: Verdict): void
  /** The node's life is over; no answer will come. */
  gone(): void
}

/** So many of the latest are found by their place, a power of two; those that stay open for longer, by a map. */
const RECENT = 16_384
/** One answer in so many is timed. */
const TIMED = 16

export class AskTable {
  readonly #recent: (Question | undefined)[] = new Array<undefined>(RECENT).fill(undefined)
  readonly #late = new Map<number, Question>()
  readonly #clock: Clock
  readonly #metrics: RouterMetrics | undefined
  #last = 0
  #size = 0

  constructor(clock: Clock, metrics?: RouterMetrics) {
    this.#clock = clock
    this.#metrics = metrics
  }

  get size(): number {
    return this.#size
  }

  /** Numbers the question and keeps it until it is answered or dropped. */
  put(question: Question): void {
    const ask = ++this.#last
    const before = this.#recent[ask % RECENT]
    if (before !== undefined) this.#late.set(before.ask, before)
    question.ask = ask
    this.#recent[ask % RECENT] = question
    this.#size++
  }

  drop(ask: number): void {
    if (this.#find(ask) === undefined) return
    if (!this.#late.delete(ask)) this.#recent[ask % RECENT] = undefined
    this.#size--
  }

  answered(from: NodeRef, ask: number, verdict: Verdict): void {
    const question = this.#find(ask)
    if (question === undefined || !sameLife(question.node, from)) return
    this.drop(ask)
    this.#metrics?.answers.add(verdict.kind)
    if (ask % TIMED === 0) this.#metrics?.answerSeconds.observe((this.#clock.now() - question.since) / 1000)
    question.answered(verdict)
  }

  /** This life is over: no answer counts any more. */
  reset(): void {
    this.#end(() => true)
  }

  lost(node: NodeRef): void {
    this.#end((question) => isOver(question.node, node))
  }

  #find(ask: number): Question | undefined {
    const recent = this.#recent[ask % RECENT]
    return recent?.ask === ask ? recent : this.#late.get(ask)
  }

  #end(concerns: (question: Question) => boolean): void {
    const open = [...this.#late.values(), ...this.#recent]
    for (const question of open) {
      if (question === undefined || !concerns(question)) continue
      this.drop(question.ask)
      question.gone()
    }
  }
}

export function sameLife(a: NodeRef, b: NodeRef): boolean {
  return a === b || (a.name === b.name && a.incarnation === b.incarnation)
}

/** `ended`, or an earlier life of its name. */
export function isOver(node: NodeRef, ended: NodeRef): boolean {
  return node.name === ended.name && node.incarnation <= ended.incarnation
}

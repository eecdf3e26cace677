/**
 * Questions to other nodes that are open, by number. An answer counts when it names its question, comes from the life
 * that was asked and speaks of the same stanza; a repeated question has a new number, so late answers fall through.
 */
import type { Answer, StanzaKey, Verdict } from './envelope.js'
import type { Clock } from '../telemetry/clock.js'
import type { Metrics } from '../telemetry/metrics.js'
import type { NodeRef } from './strategy.js'

/** What the router counts. */
export type RouterMetrics = Pick<Metrics, 'answers' | 'answerSeconds'>

export interface Asker {
  answered(ask: number, verdict: Verdict): void
  /** The node's life is over; no answer will come. */
  gone(ask: number): void
}

interface Question {
  readonly key: StanzaKey
  readonly node: NodeRef
  readonly asker: Asker
  readonly askedAt: number
}

export class AskTable {
  readonly #open = new Map<number, Question>()
  readonly #clock: Clock
  readonly #metrics: RouterMetrics | undefined
  #last = 0

  constructor(clock: Clock, metrics?: RouterMetrics) {
    this.#clock = clock
    this.#metrics = metrics
  }

  get size(): number {
    return this.#open.size
  }

  next(node: NodeRef, key: StanzaKey, asker: Asker): number {
    this.#open.set(++this.#last, { key, node, asker, askedAt: this.#clock.now() })
    return this.#last
  }

  drop(ask: number): void {
    this.#open.delete(ask)
  }

  answers(from: NodeRef, key: StanzaKey, answers: readonly Answer[]): void {
    for (const { ask, verdict } of answers) {
      const question = this.#open.get(ask)
      if (question === undefined || !sameLife(question.node, from) || !sameKey(question.key, key)) continue
      this.#open.delete(ask)
      this.#metrics?.answers.add(verdict.kind)
      this.#metrics?.answerSeconds.observe((this.#clock.now() - question.askedAt) / 1000)
      question.asker.answered(ask, verdict)
    }
  }

  /** This life is over: no answer counts any more. */
  reset(): void {
    for (const [ask, question] of this.#open) question.asker.gone(ask)
    this.#open.clear()
  }

  lost(node: NodeRef): void {
    for (const [ask, question] of this.#open) {
      if (!isOver(question.node, node)) continue
      this.#open.delete(ask)
      question.asker.gone(ask)
    }
  }
}

export function sameLife(a: NodeRef, b: NodeRef): boolean {
  return a.name === b.name && a.incarnation === b.incarnation
}

/** `ended`, or an earlier life of its name. */
export function isOver(node: NodeRef, ended: NodeRef): boolean {
  return node.name === ended.name && node.incarnation <= ended.incarnation
}

function sameKey(a: StanzaKey, b: StanzaKey): boolean {
  return a.index === b.index && a.k === b.k && a.osid === b.osid
}

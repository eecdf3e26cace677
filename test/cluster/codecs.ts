/** The frames that carry envelopes and answers, as values: one frame written or read by itself. */
import { AnswerWriter, readAnswers } from '../../src/cluster/answer-codec.js'
import { RouteReader, RouteWriter, type UnreadableRoute } from '../../src/cluster/envelope-codec.js'
import type { FrameWriter } from '../../src/cluster/frames.js'
import type { Envelope, Verdict } from '../../src/router/envelope.js'

export interface Answer {
  readonly ask: number
  readonly verdict: Verdict
}

export function encodeRoutes(frames: FrameWriter, ...envelopes: readonly Envelope[]): Buffer {
  const writer = new RouteWriter()
  for (const envelope of envelopes) writer.add(envelope)
  return writer.finish(frames)
}

/** @param reader one that has read frames before this one */
export function decodeRoutes(body: Buffer, reader = new RouteReader()): readonly (Envelope | UnreadableRoute)[] {
  const found: (Envelope | UnreadableRoute)[] = []
  reader.begin(body)
  for (let next = reader.next(); next !== undefined; next = reader.next()) found.push(next)
  return found
}

export function encodeAnswers(frames: FrameWriter, answers: readonly Answer[]): Buffer {
  const writer = new AnswerWriter()
  for (const { ask, verdict } of answers) writer.add(ask, verdict)
  return writer.finish(frames)
}

export function decodeAnswers(body: Buffer): readonly Answer[] {
  const found: Answer[] = []
  readAnswers(body, (first, count, verdict) => {
    for (let ask = first; ask < first + count; ask++) found.push({ ask, verdict })
  })
  return found
}

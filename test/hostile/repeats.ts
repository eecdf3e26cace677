/**
 * One case of a row, many times over: the replies are counted, and afterwards the node holds what it held before.
 */
import { expect } from '@jest/globals'
import type { Case, Expect, Form, Row } from './corpus/row.js'
import type { Held, Levers } from './levers.js'
import { bytesOf, eventually } from './runner.js'
import { ask, type Hostile, type Stage } from './stage.js'

/** As many hostile connections at a time. */
const LANES = 4

export interface Repeat {
  readonly stage: Stage
  readonly row: Row
  readonly one: Case
  readonly form: Form
  readonly times: number
}

/** Sends it so many times; every time exactly the reply that the row says. */
export async function repeat(all: Repeat): Promise<void> {
  const { one, form, times } = all
  const wanted = one.on?.[form] ?? one.expect
  if (survives(wanted) && all.row.state === 'ON' && one.before === undefined) return manyInOne(all, wanted)
  let left = times
  await Promise.all(Array.from({ length: LANES }, async () => {
    while (left-- > 0) await once(all, wanted)
  }))
}

const survives = ({ is }: Expect): boolean => is === 'XE' || is === 'drop' || is === 'pass'

async function once({ stage, row, one, form }: Repeat, wanted: Expect): Promise<void> {
  const hostile = await stage.reach(form, row.state)
  const { wire } = hostile
  for (const text of one.before ?? []) wire.send(bytesOf(text, { stage, hostile }))
  const bytes = bytesOf(one.send, { stage, hostile })
  if (one.cut === 'byte') await wire.drip(bytes)
  else wire.send(bytes)
  if (wanted.is === 'SE' || wanted.is === 'close') await wire.inbox.over()
  else if (wanted.is === 'SF') await wire.inbox.next((e) => e.getName() === 'failure', 'a failure')
  else if (hostile.jid.includes('/')) await settled(hostile)
  for (const text of one.after ?? []) wire.send(bytesOf(text, { stage, hostile }))
  if (wire.inbox.ending === undefined) {
    wire.close()
    await wire.inbox.over()
  }
  expect(wire.inbox.errors.length).toBeLessThanOrEqual(1)
  wire.cut()
}

async function settled({ wire }: Hostile): Promise<void> {
  await ask(wire, 'get', `<ping xmlns='urn:xmpp:ping'/>`)
}

/** The stream lives: no more than one reply to each, and none where none is due. */
async function manyInOne({ stage, row, one, form, times }: Repeat, wanted: Expect): Promise<void> {
  const hostile = await stage.reach(form, row.state)
  const { wire } = hostile
  const bytes = bytesOf(one.send, { stage, hostile })
  const due = wanted.is === 'XE' ? times : 0
  let errors = 0
  const count = (): number => (errors += wire.inbox.elements.splice(0).filter((e) => e.attrs['type'] === 'error').length)
  for (let n = 0; n < times; n++) {
    wire.send(bytes)
    if (n % LANES === 0) await settled(hostile)
    count()
  }
  // Other nodes may have been asked.
  await eventually(() => count() >= due, () => `${errors} of ${due} replies`)
  await settled(hostile)
  await stage.deliveredToBob()
  stage.rawOfBob()
  wire.close()
  await wire.inbox.over()
  expect(count()).toBe(due)
}

export interface Bounds {
  readonly rss: number
  readonly eventLoopSeconds: number
}

/** Everything that was held for it has been given back. */
export async function givenBack({ stage, levers, before, bounds }: { stage: Stage, levers: Levers, before: Held, bounds: Bounds }):
Promise<Held> {
  let held = await levers.held(stage.node)
  // What a connection leaves to the timer that ends it.
  for (let tries = 0; tries < 40 && (held.descriptors > before.descriptors || held.timers > before.timers); tries++) {
    await new Promise((done) => { setTimeout(done, 250) })
    held = await levers.held(stage.node)
  }
  expect(held.descriptors).toBeLessThanOrEqual(before.descriptors)
  expect(held.timers).toBeLessThanOrEqual(before.timers)
  expect(held.rss - before.rss).toBeLessThan(bounds.rss)
  expect(await eventLoopP99(stage)).toBeLessThan(bounds.eventLoopSeconds)
  return held
}

/** Since it was read last. */
export async function eventLoopP99({ node }: Stage): Promise<number> {
  const metrics = String(await node.admin('/metrics'))
  return Number(/^starling_event_loop_delay_p99_seconds(?:\{[^}]*\})? (\S+)$/m.exec(metrics)?.[1])
}

/** Sessions and connections that the node counts. */
export async function counted({ node }: Stage): Promise<string> {
  return String(await node.admin('/metrics')).split('\n').filter((line) => /^starling_(sessions|connections)[{ ]/.test(line)).join('\n')
}

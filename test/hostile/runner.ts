/**
 * Plays one case of a row over one transport against real nodes, and checks what every negative test checks: the reply,
 * the state of the connection, one log line, nothing delivered, everybody else served, no fault of ours.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from '@jest/globals'
import type { LogLine } from '../support/node-process.js'
import type { Bytes, Case, Expect, Form, Row } from './corpus/row.js'
import { PATIENCE_MS } from './inbox.js'
import { ask, bindAndShow, framed, NS_SM, type Hostile, type Stage } from './stage.js'

/** Namespaces of the conditions. */
const STREAM_ERRORS = 'urn:ietf:params:xml:ns:xmpp-streams'
const STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas'
const NORMAL = 1000
const TOO_BIG = 1009

export async function play(stage: Stage, row: Row, one: Case, form: Form): Promise<void> {
  const lines = stage.mark()
  const hostile = await stage.reach(form, row.state)
  try {
    await judged({ stage, hostile, lines, row }, one, form)
  } finally {
    hostile.wire.cut()
  }
  expect(stage.trapped).toBe(0)
}

interface Scene {
  readonly stage: Stage
  readonly hostile: Hostile
  readonly lines: () => readonly LogLine[]
  readonly row: Row
}

/** A stanza of the scene: taken, and what comes of it forgotten. */
async function prepare(text: string, { stage, hostile }: Pick<Scene, 'stage' | 'hostile'>): Promise<void> {
  const { wire } = hostile
  wire.send(bytesOf(text, { stage, hostile }))
  // An answer of its own may come after that to a later ping, which asks no database.
  if (text.startsWith('<iq')) {
    const answer = await wire.inbox.next((e) => e.is('iq') && e.attrs['id'] === 'x', 'an answer')
    expect(answer.attrs['type']).toBe('result')
  }
  await roundTrip(wire)
  expect(wire.inbox.elements.splice(0).filter((e) => e.attrs['type'] === 'error').map(String)).toEqual([])
}

/** What was heard since `from` is what the row's other cases on this transport have heard, but for addresses and random ids. */
function alike(stage: Stage, { id }: Row, { wire: { form, inbox } }: Hostile, from: number): void {
  const text = inbox.text.slice(from).replace(/<body [^>]*\/>| (?:to|from|id)=(["'])[^"']*\1/g, '')
  const key = `${id} ${form}`
  expect(text).toBe(stage.heard.get(key) ?? text)
  stage.heard.set(key, text)
}

async function judged({ stage, hostile, lines, row }: Scene, one: Case, form: Form): Promise<void> {
  const { wire } = hostile
  for (const text of one.before ?? []) await prepare(text, { stage, hostile })
  const heard = wire.inbox.text.length
  const bytes = bytesOf(one.send, { stage, hostile })
  if (one.cut === 'byte') await wire.drip(bytes)
  else wire.send(bytes)
  const wanted = one.on?.[form] ?? one.expect
  if (one.also !== undefined) expect(await failureOfSm(hostile)).toEqual([[one.also, STANZA_ERRORS]])
  await replied(wanted, hostile)
  if (one.alike === true) alike(stage, row, hostile, heard)
  await stage.others()
  await nothingElseDelivered(stage, wanted)
  for (const text of one.after ?? []) await prepare(text, { stage, hostile })
  if (wire.inbox.ending === undefined) {
    wire.close()
    await wire.inbox.over()
  }
  // Not one reply more, also of those that other nodes had to be asked for.
  expect(wire.inbox.elements.filter((e) => e.attrs['type'] === 'error').map(String)).toEqual([])
  await logged({ wanted, hostile, lines, also: one.alsoLogged ?? [] })
}

/** The case's bytes with its places filled in. */
export function bytesOf(send: Bytes, { stage, hostile }: { stage: Stage, hostile: Hostile }): Buffer {
  const places: Readonly<Record<string, string>> = {
    ns: framed(hostile.wire), alice: hostile.jid, bob: stage.bob.jid, trap: String(stage.trap.port)
  }
  const piece = (p: string | Uint8Array): Uint8Array =>
    (typeof p === 'string' ? Buffer.from(p.replace(/\{(ns|alice|bob|trap)\}/g, (_all, name: string) => places[name] ?? '')) : p)
  if (typeof send === 'string' || send instanceof Uint8Array) return Buffer.from(piece(send))
  return Buffer.concat(send.map(piece))
}

export async function replied(wanted: Expect, hostile: Hostile): Promise<void> {
  switch (wanted.is) {
    case 'SE': return streamError(wanted, hostile)
    case 'XE': return stanzaError(wanted, hostile)
    case 'SF': return saslFailure(wanted.condition, hostile)
    case 'FAILED': return notManaged(wanted.condition, hostile)
    case 'drop': return silent(hostile)
    case 'pass': return passed(wanted.answer, hostile)
    case 'close': return closed(wanted, hostile)
    default: return wanted satisfies never
  }
}

type Wanted<K extends Expect['is']> = Extract<Expect, { is: K }>

async function streamError(wanted: Wanted<'SE'>, { wire: { form, inbox } }: Hostile): Promise<void> {
  const ending = await inbox.over()
  expect(ending.closeTag).toBe(true)
  if (form === 'bosh' && wanted.xml === true) return void expect(ending.condition).toBe('bad-request')
  expect(inbox.errors.map((error) => error.getChildElements().filter((e) => e.name !== 'text').map((e) => [e.name, e.getNS()])))
    .toEqual([[[wanted.condition, STREAM_ERRORS], ...wanted.application === undefined ? [] : [[wanted.application, 'urn:xmpp:errors']]]])
  expect(inbox.elements.map(String)).toEqual([])
  expect(inbox.headers).toBeGreaterThan(0)
  if (form === 'bosh') expect(ending.condition).toBe('remote-stream-error')
  if (form === 'websocket') expect(ending.code).toBe(wanted.application === 'stanza-too-big' ? TOO_BIG : NORMAL)
}

/** Exactly one error, and the stream goes on: what came before a later answer is all there is. */
async function stanzaError(wanted: Wanted<'XE'>, { wire, jid }: Hostile): Promise<void> {
  const error = await wire.inbox.next((e) => e.attrs['type'] === 'error', 'an error')
  if (jid === '') await farewell(wire)
  else await roundTrip(wire)
  expect(wire.inbox.elements.map(String)).toEqual([])
  const child = error.getChild('error')
  expect({ type: child?.attrs['type'] as unknown, conditions: child?.getChildElements().filter((e) => e.getNS() === STANZA_ERRORS
    && e.name !== 'text').map((e) => e.name) })
    .toEqual({ type: wanted.type, conditions: [wanted.condition] })
  expect(error.attrs['id']).toBe(wanted.id ?? 'x')
  if (error.attrs['to'] !== undefined) expect(error.attrs['to']).toBe(jid)
  if (wanted.from !== undefined) expect(error.attrs['from']).toBe(wanted.from)
  if (wanted.application !== undefined) expect(child?.getChildElements().map((e) => e.name)).toContain(wanted.application)
  if (wanted.hides !== undefined) expect(error.toString()).not.toContain(wanted.hides)
}

async function saslFailure(condition: string, { wire: { inbox } }: Hostile): Promise<void> {
  const failure = await inbox.next((e) => e.getName() === 'failure', 'a failure')
  inbox.elements.splice(0, inbox.elements.findLastIndex((e) => e.getName() === 'features') + 1)
  expect(failure.getChildElements().filter((e) => e.name !== 'text').map((e) => e.name)).toEqual([condition])
  expect({ elements: inbox.elements.map(String), ending: inbox.ending }).toEqual({ elements: [], ending: undefined })
}

async function failureOfSm({ wire: { inbox } }: Hostile): Promise<unknown> {
  const failed = await inbox.next((e) => e.is('failed', NS_SM), 'a failure')
  return failed.getChildElements().map((e) => [e.name, e.getNS()])
}

/** XEP-0198 §6: recoverable; whoever has not bound yet may. */
async function notManaged(condition: string, hostile: Hostile): Promise<void> {
  const { wire, jid } = hostile
  expect(await failureOfSm(hostile)).toEqual([[condition, STANZA_ERRORS]])
  expect(wire.inbox.elements.map(String)).toEqual([])
  if (jid.includes('/')) return silent(hostile)
  if (jid !== '') await bindAndShow(wire, 'after')
}

async function silent({ wire }: Hostile): Promise<void> {
  await roundTrip(wire)
  expect(wire.inbox.elements.map(String)).toEqual([])
}

async function passed(answer: RegExp | undefined, hostile: Hostile): Promise<void> {
  if (answer === undefined) return silent(hostile)
  const { inbox } = hostile.wire
  await inbox.until(() => answer.test(inbox.text) || undefined, String(answer))
  expect(inbox.elements.splice(0).filter((e) => e.attrs['type'] === 'error').map(String)).toEqual([])
  expect(inbox.errors.map(String)).toEqual([])
}

async function closed(wanted: Wanted<'close'>, { wire: { inbox } }: Hostile): Promise<void> {
  const ending = await inbox.over()
  expect(inbox.errors.map(String)).toEqual([])
  if (wanted.code !== undefined) expect(ending.code).toBe(wanted.code)
  if (wanted.text !== undefined) expect(inbox.text).toMatch(wanted.text)
}

/** Silence is proved by an answer that comes after it. */
async function roundTrip(wire: Hostile['wire']): Promise<void> {
  expect((await ask(wire, 'get', `<ping xmlns='urn:xmpp:ping'/>`)).attrs['type']).toBe('result')
}

/** Before login a good end is the answer that comes after silence. */
async function farewell(wire: Hostile['wire']): Promise<void> {
  wire.close()
  await wire.inbox.over()
  expect(wire.inbox.errors.map(String)).toEqual([])
}

async function nothingElseDelivered(stage: Stage, wanted: Expect): Promise<void> {
  const delivered = await stage.deliveredToBob()
  if (wanted.is !== 'pass' || wanted.delivers === undefined) return void expect(delivered).toEqual([])
  expect(delivered).toHaveLength(1)
  expect(stage.rawOfBob()).toMatch(wanted.delivers)
}

export interface Logged {
  readonly wanted: Expect
  readonly hostile: Hostile
  readonly lines: () => readonly LogLine[]
  readonly also?: readonly string[]
}

/** One line for the end of the stream, one for a failed login, no other; nothing of ours has failed. */
export async function logged({ wanted, hostile: { wire, jid }, lines, also = [] }: Logged): Promise<void> {
  const { streamIds } = wire.inbox
  const own = (line: LogLine): boolean => streamIds.includes(String(line['stream'])) || (jid !== '' && line['jid'] === jid)
  const closing = (): LogLine | undefined => lines().find((line) => own(line) && line['event'] === 'stream.closed')
  await eventually(() => closing() !== undefined, () =>
    `no line for the end of ${streamIds.join(' ')}; the log says ${JSON.stringify(lines())}`)
  const expected = [...wanted.is === 'SF' ? ['auth.failed'] : [], ...also, 'stream.closed']
  expect(lines().filter(own).map((line) => line['event'])).toEqual(expected)
  expect(closing()).toMatchObject({ ip: '127.0.0.1', room: 'stream', ...closingOf(wanted, jid, wire.form) })
  for (const line of lines().filter(own)) expect(line).toMatchObject({ ip: '127.0.0.1' })
  noFaultOfOurs(lines())
}

function closingOf(wanted: Expect, jid: string, form: Form): Record<string, unknown> {
  const refusedByBosh = form === 'bosh' && wanted.is === 'SE' && wanted.xml === true
  if (wanted.is === 'SE' && !refusedByBosh) {
    return { reason: 'stream-error', condition: wanted.condition, level: wanted.level ?? 'info', ...jid !== '' && { jid } }
  }
  return wanted.is === 'close' ? {} : { reason: 'client-closed', level: 'info' }
}

export function noFaultOfOurs(lines: readonly LogLine[]): void {
  expect(lines.filter((line) => line['level'] === 'error' || line['event'] === 'process.unhandled-rejection')).toEqual([])
}

export async function eventually(holds: () => boolean, what: () => string): Promise<void> {
  const until = performance.now() + PATIENCE_MS
  while (!holds()) {
    if (performance.now() > until) throw new Error(what())
    await sleep(5)
  }
}

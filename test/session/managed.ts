/** A client with stream management on one node, without sockets: what the tests of it stand on. */
import { xml } from '../../src/xml/element.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { Stanza } from '../../src/xmpp/stanza.js'
import { header, plainAuth, Rig, type RigOptions } from '../stream/rig.js'
import type { Wire, WireOptions } from '../stream/wire.js'

export const ALICE = 'alice@im.test/r1'
export const NS = "xmlns='urn:xmpp:sm:3'"
export const ENABLE = `<enable ${NS} resume='true'/>`
export const ASK = `<r ${NS}/>`
export const answer = (h: number | string): string => `<a ${NS} h='${h}'/>`
export const resume = (id: string, h: number | string): string => `<resume ${NS} previd='${id}' h='${h}'/>`

/** All that waits for the end of this turn has happened. */
export const turn = (): Promise<void> => new Promise((resolve) => {
  setImmediate(resolve)
})

export async function rigOf(options: RigOptions = {}): Promise<Rig> {
  const rig = new Rig(options)
  await rig.user('alice@im.test')
  await rig.user('bob@im.test')
  return rig
}

export interface Managed {
  readonly wire: Wire
  readonly id: string
}

export async function managed(rig: Rig, options: WireOptions = {}, enable = ENABLE): Promise<Managed> {
  const wire = await rig.login(ALICE, options)
  wire.says(enable)
  return { wire, id: / id='([^']+)'/.exec(wire.take())?.[1] ?? '' }
}

/** Authenticated, the features told, nothing bound. */
export async function loggedIn(rig: Rig, user = 'alice', options: WireOptions = {}): Promise<Wire> {
  const wire = rig.connect(options)
  wire.says(header(wire))
  wire.says(plainAuth(user))
  await wire.until(/<success/)
  wire.says(header(wire))
  await wire.until(/features>/)
  return wire
}

/** The stream on which the client asked to resume; the answer is still to be taken. */
export async function resumes(rig: Rig, id: string, h: number, options: WireOptions = {}): Promise<Wire> {
  const wire = await loggedIn(rig, 'alice', options)
  wire.says(resume(id, h))
  wire.written = await wire.until(/<resumed|<failed|<stream:error/) + wire.take()
  return wire
}

export const note = (body: string): Stanza =>
  Stanza.of({ kind: 'message', type: 'chat', from: parseJid('bob@im.test/x'), to: parseJid(ALICE) }, xml('body', {}, body))

export function send(rig: Rig, ...bodies: readonly string[]): void {
  for (const body of bodies) void rig.session(ALICE).deliver(note(body))
}

export const bodies = (text: string): readonly string[] => [...text.matchAll(/<body>([^<]*)/g)].map(([, body]) => body ?? '')
export const counts = (text: string): readonly number[] => [...text.matchAll(/<a [^>]*h='(\d+)'/g)].map(([, h]) => Number(h))

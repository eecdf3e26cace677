/** Stream management as a client meets it on one node (XEP-0198). */
import { describe, expect, test } from '@jest/globals'
import { xml } from '../../src/xml/element.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { Stanza } from '../../src/xmpp/stanza.js'
import { header, plainAuth, Rig, streamError, type RigOptions } from '../stream/rig.js'
import type { Wire, WireOptions } from '../stream/wire.js'

const ALICE = 'alice@im.test/r1'
const NS = "xmlns='urn:xmpp:sm:3'"

async function scene(options: RigOptions = {}): Promise<Rig> {
  const rig = new Rig(options)
  await rig.user('alice@im.test')
  await rig.user('bob@im.test')
  return rig
}

function smId(text: string): string {
  return / id='([^']+)'/.exec(text)?.[1] ?? ''
}

async function managed(rig: Rig, options: WireOptions = {}): Promise<{ readonly wire: Wire; readonly id: string }> {
  const wire = await rig.login(ALICE, options)
  wire.says(`<enable ${NS} resume='true'/>`)
  return { wire, id: smId(wire.take()) }
}

async function loggedIn(rig: Rig, user = 'alice', options: WireOptions = {}): Promise<Wire> {
  const wire = rig.connect(options)
  wire.says(header(wire))
  wire.says(plainAuth(user))
  await wire.until(/<success/)
  wire.says(header(wire))
  await wire.until(/<sm /)
  return wire
}

async function resumes(rig: Rig, id: string, h: number, options: WireOptions = {}): Promise<Wire> {
  const wire = await loggedIn(rig, 'alice', options)
  wire.says(`<resume ${NS} previd='${id}' h='${h}'/>`)
  await wire.until(/<resumed|<failed|error/).then((text) => { wire.written = text })
  return wire
}

const note = (body: string): Stanza =>
  Stanza.of({ kind: 'message', from: parseJid('bob@im.test/x'), to: parseJid(ALICE) }, xml('body', {}, body))
const send = (rig: Rig, ...bodies: readonly string[]): void => {
  for (const body of bodies) void rig.session(ALICE).deliver(note(body))
}
const bodies = (text: string): readonly string[] => [...text.matchAll(/<body>([^<]*)/g)].map(([, body]) => body ?? '')

describe('a connection that is lost', () => {
  test('leaves the session, which takes what comes; the client resumes and gets the rest in order, delayed once (XEP-0198 §5)', async () => {
    const rig = await scene()
    const { wire, id } = await managed(rig)
    send(rig, '1', '2', '3')
    wire.says(`<a ${NS} h='1'/>`)
    wire.cut()
    expect(rig.handler.over).toEqual([])
    send(rig, '4')
    const again = await resumes(rig, id, 2)
    const text = again.take()
    expect(text).toMatch(new RegExp(`^<resumed ${NS} previd='${id}' h='0'/>`))
    expect(bodies(text)).toEqual(['3', '4'])
    expect(text.match(/<delay /g)).toHaveLength(2)
    send(rig, '5')
    expect(again.take()).toBe("<message to='alice@im.test/r1' from='bob@im.test/x'><body>5</body></message>")
    expect(rig.resumes.counts).toEqual({ resumed: 1 })
    expect(wire.ended).toBe(false)
    expect(streamError('x')).toBeDefined()
  })
})

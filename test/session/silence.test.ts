/** Clients from which nothing comes: asked, then closed (RFC 6120 §4.6.3, --idle-seconds). And doors of a node that has too much to do. */
import { describe, expect, test } from '@jest/globals'
import { Stanza } from '../../src/xmpp/stanza.js'
import { Rig } from '../stream/rig.js'
import type { Wire } from '../stream/wire.js'

const NS_SM = "xmlns='urn:xmpp:sm:3'"
const MINUTE = 60_000

async function scene(kind: 'tcp' | 'websocket' = 'tcp'): Promise<{ rig: Rig, wire: Wire }> {
  const rig = new Rig()
  await rig.user('alice@im.test')
  const wire = await rig.login('alice@im.test/r1', { kind, now: () => rig.clock.now() })
  wire.take()
  return { rig, wire }
}

describe('a client that is silent', () => {
  test('for six minutes is asked with a ping of its server (XEP-0199 §4.2), and not before', async () => {
    const { rig, wire } = await scene()
    rig.clock.advance(6 * MINUTE - 1_000)
    expect(wire.take()).toBe('')
    rig.clock.advance(6_000)
    expect(wire.take()).toBe("<iq to='alice@im.test/r1' from='im.test' id='alive' type='get'><ping xmlns='urn:xmpp:ping'/></iq>")
  })

  test('and does not answer within a minute is closed with connection-timeout (RFC 6120 §4.9.3.4)', async () => {
    const { rig, wire } = await scene()
    rig.clock.advance(6 * MINUTE + 5_000)
    wire.take()
    rig.clock.advance(MINUTE - 6_000)
    expect([wire.take(), wire.ended]).toEqual(['', false])
    rig.clock.advance(12_000)
    expect(wire.take()).toMatch(/<stream:error.*<connection-timeout .*No sign of life.*<\/stream:stream>/)
    expect(rig.closings().map(({ fields }) => fields['reason'])).toEqual(['timeout'])
  })

  test.each([['an answer', "<iq type='result' id='alive' to='im.test'/>"], ['an error', "<iq type='error' id='alive' to='im.test'/>"],
    ['white space', ' ']])('and says %s lives, and is asked again after as long', async (_what, sign) => {
    const { rig, wire } = await scene()
    for (let round = 0; round < 3; round++) {
      rig.clock.advance(6 * MINUTE + 5_000)
      expect(wire.take().match(/urn:xmpp:ping/g)).toHaveLength(1)
      wire.says(sign)
    }
    rig.clock.advance(5 * MINUTE)
    expect([wire.take(), wire.ended]).toEqual(['', false])
  })

  test('and has stream management is asked with <r/>, then may come back (XEP-0198 §4, §5)', async () => {
    const { rig, wire } = await scene()
    wire.says(`<enable ${NS_SM} resume='true'/>`)
    await wire.until(/<enabled/)
    wire.take()
    rig.clock.advance(6 * MINUTE + 5_000)
    expect(wire.take()).toBe(`<r ${NS_SM}/>`)
    wire.says(`<a ${NS_SM} h='0'/>`)
    rig.clock.advance(6 * MINUTE + 5_000)
    expect(wire.take()).toBe(`<r ${NS_SM}/>`)
    rig.clock.advance(MINUTE + 6_000)
    expect(wire.take()).toContain('<connection-timeout ')
    expect(rig.lines.map(({ event }) => event)).toContain('session.detached')
  })

  test('while the node reads nothing is not to blame: the time begins anew when it reads again', async () => {
    const { rig, wire } = await scene()
    rig.sessions.gate(false)
    rig.clock.advance(20 * MINUTE)
    rig.sessions.gate(true)
    rig.clock.advance(5 * MINUTE)
    expect([wire.take(), wire.ended]).toEqual(['', false])
    rig.clock.advance(2 * MINUTE)
    expect(wire.take()).toContain('urn:xmpp:ping')
  })

  test('where the transport does not know is left to it', async () => {
    const rig = new Rig()
    await rig.user('alice@im.test')
    const wire = await rig.login('alice@im.test/r1')
    wire.take()
    rig.clock.advance(60 * MINUTE)
    expect([wire.take(), wire.ended]).toEqual(['', false])
  })
})

test('an answer to <r/> that stands behind much that is read slowly is waited for; nothing at all is not (--sm-ack-seconds)', async () => {
  const { rig, wire } = await scene()
  wire.says(`<enable ${NS_SM}/>`)
  await wire.until(/<enabled/)
  const alice = rig.session('alice@im.test/r1')
  void alice.deliver(Stanza.of({ kind: 'message', to: alice.jid }))
  rig.clock.advance(5_000)
  expect(wire.take()).toContain(`<r ${NS_SM}/>`)
  for (let i = 0; i < 30; i++) {
    wire.says("<message to='bob@im.test'/>")
    rig.clock.advance(10_000)
  }
  expect(wire.destroyed).toBe(false)
  rig.clock.advance(70_000)
  expect(wire.destroyed).toBe(true)
})

describe('a node that has too much to do', () => {
  const strain = { strained: true, relief: () => Promise.resolve() }

  test.each(['tcp', 'websocket'] as const)('says resource-constraint to a new client over %s and closes (RFC 6120 §4.9.3.17)', (kind) => {
    const rig = new Rig({ strain })
    const wire = rig.connect({ kind })
    expect(wire.take()).toMatch(/^<(\?xml|open).*<stream:error.*<resource-constraint .*another.*(<\/stream:stream>|<close\/>)$/)
    expect(wire.ended).toBe(true)
    expect(rig.closings().map(({ fields }) => [fields['reason'], fields['condition']])).toEqual([['overloaded', 'resource-constraint']])
  })

  test('serves those that it has', async () => {
    const state = { ...strain, strained: false }
    const rig = new Rig({ strain: state })
    await rig.user('alice@im.test')
    const wire = await rig.login('alice@im.test/r1')
    state.strained = true
    wire.says("<message to='bob@im.test'/>")
    expect(rig.handler.received).toHaveLength(1)
    expect(wire.ended).toBe(false)
  })
})

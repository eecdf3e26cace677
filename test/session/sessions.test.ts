import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { wins, type BindClaim } from '../../src/session/sessions.js'
import type { Session } from '../../src/session/session.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { StreamError } from '../../src/xmpp/errors.js'
import { bindIq, header, Rig, streamError } from '../stream/rig.js'
import { ALICE, loggedIn, managed, resume, resumes, rigOf } from './managed.js'

async function rigWith(...names: readonly string[]): Promise<Rig> {
  const rig = new Rig()
  for (const name of names) await rig.user(`${name}@im.test`)
  return rig
}

const full = (sessions: Iterable<Session>): readonly string[] => [...sessions].map(({ jid }) => jid.toString())

describe('the registry of devices', () => {
  test('finds by full JID, by account, by session id', async () => {
    const rig = await rigWith('alice', 'bob')
    await rig.login('alice@im.test/r1')
    await rig.login('alice@im.test/r2')
    await rig.login('bob@im.test/r1')
    const { sessions } = rig
    expect(full(sessions.byAccount(parseJid('alice@im.test')))).toEqual(['alice@im.test/r1', 'alice@im.test/r2'])
    expect(sessions.byAccount(parseJid('nobody@im.test'))).toEqual([])
    expect(full(sessions)).toEqual(['alice@im.test/r1', 'alice@im.test/r2', 'bob@im.test/r1'])
    const one = rig.session('bob@im.test/r1')
    expect(sessions.byId(one.session)).toBe(one)
    expect(sessions.size).toBe(3)
  })

  test('a list that was given out does not change under its reader', async () => {
    const rig = await rigWith('alice')
    const wire = await rig.login('alice@im.test/r1')
    const list = rig.sessions.byAccount(parseJid('alice@im.test'))
    wire.says('</stream:stream>')
    expect(list).toHaveLength(1)
    expect(rig.sessions.byAccount(parseJid('alice@im.test'))).toEqual([])
  })

  test('names like __proto__ are names like any other', async () => {
    const rig = await rigWith('__proto__', 'constructor')
    await rig.login('__proto__@im.test/__proto__')
    await rig.login('constructor@im.test/toString')
    expect(rig.sessions.size).toBe(2)
    expect(rig.sessions.byAccount(parseJid('tostring@im.test'))).toEqual([])
  })
})

describe('one full JID twice', () => {
  test('S34: on one node the newer wins, the older is closed with conflict (RFC 6120 §7.7.2.2)', async () => {
    const rig = await rigWith('alice')
    const older = await rig.login('alice@im.test/r1')
    const newer = await rig.login('alice@im.test/r1')
    expect(older.take()).toMatch(streamError('conflict'))
    expect(newer.ended).toBe(false)
    expect(rig.sessions.size).toBe(1)
    expect(rig.handler.over).toEqual([{ jid: 'alice@im.test/r1', reason: 'conflict' }])
    newer.says("<message to='bob@im.test'/>")
    expect(rig.handler.received).toHaveLength(1)
  })

  test('a device that takes over its own resource does not count as one more (XEP-0205 §4.4)', async () => {
    const rig = await rigWith('alice')
    await rig.login('alice@im.test/r1')
    rig.handler.devices = 20
    await rig.login('alice@im.test/r1')
    expect(rig.sessions.size).toBe(1)
  })

  test('on two nodes the higher clock wins, then the name', async () => {
    const rig = await rigWith('alice')
    const wire = await rig.login('alice@im.test/r1')
    const { bound, jid } = rig.session('alice@im.test/r1')
    expect(rig.sessions.conflictWith(jid, { ms: bound.ms, count: bound.count - 1 }, 'node2')).toBe(false)
    expect(rig.sessions.conflictWith(jid, bound, 'node0')).toBe(false)
    expect(rig.sessions.conflictWith(parseJid('alice@im.test/other'), { ms: bound.ms + 1, count: 0 }, 'node2')).toBe(false)
    expect(wire.ended).toBe(false)
    expect(rig.sessions.conflictWith(jid, bound, 'node2')).toBe(true)
    expect(wire.take()).toMatch(streamError('conflict'))
  })

  test('of two different claims exactly one wins, whoever compares', () => {
    const claim: fc.Arbitrary<BindClaim> = fc.record({
      hlc: fc.record({ ms: fc.nat(3), count: fc.nat(3) }), node: fc.constantFrom('a', 'b', 'c')
    })
    fc.assert(fc.property(claim, claim, (a, b) => {
      const same = a.node === b.node && a.hlc.ms === b.hlc.ms && a.hlc.count === b.hlc.count
      return same ? !wins(a, b) && !wins(b, a) : wins(a, b) !== wins(b, a)
    }))
  })
})

describe('many at once', () => {
  test('an account that is removed loses its devices, nobody else does', async () => {
    const rig = await rigWith('alice', 'bob')
    const [one, two, other] = [await rig.login('alice@im.test/r1'), await rig.login('alice@im.test/r2'), await rig.login('bob@im.test/r1')]
    expect(rig.sessions.closeAccount(parseJid('alice@im.test'), 'account-removed', rig.clock.now())).toBe(2)
    for (const wire of [one, two]) expect(wire.take()).toMatch(streamError('not-authorized'))
    expect(other.ended).toBe(false)
    expect(rig.handler.over.map(({ reason }) => reason)).toEqual(['account-removed', 'account-removed'])
  })

  test('so does one that is disabled', async () => {
    const rig = await rigWith('alice')
    const wire = await rig.login('alice@im.test/r1')
    expect(rig.sessions.closeAccount(parseJid('alice@im.test'), 'account-disabled', rig.clock.now())).toBe(1)
    expect(wire.take()).toMatch(streamError('not-authorized'))
    expect(rig.handler.over).toEqual([{ jid: 'alice@im.test/r1', reason: 'account-disabled' }])
  })

  test('a changed password: all hear reset but the device that changed it, and none can be resumed (RFC 6120 §4.9.3.16)', async () => {
    const rig = await rigOf()
    const { wire, id } = await managed(rig)
    const changing = await rig.login('alice@im.test/r2')
    expect(rig.sessions.closeAccount(parseJid('alice@im.test/r2'), 'password-changed', rig.clock.now())).toBe(1)
    expect(wire.take()).toMatch(streamError('reset'))
    expect(rig.handler.over).toEqual([{ jid: ALICE, reason: 'password-changed' }])
    expect([changing.take(), changing.ended]).toEqual(['', false])
    rig.clock.advance(1)
    expect((await resumes(rig, id, 0)).take()).toMatch(/^<failed .*<item-not-found/)
  })

  test('a device without a stream waits on: who resumes it has logged in with the new password', async () => {
    const rig = await rigOf()
    const { wire, id } = await managed(rig)
    wire.cut()
    expect(rig.sessions.closeAccount(parseJid('alice@im.test'), 'password-changed', rig.clock.now())).toBe(0)
    rig.clock.advance(1)
    expect((await resumes(rig, id, 0)).take()).toMatch(/^<resumed /)
    wire.cut()
    expect(rig.sessions.closeAccount(parseJid('alice@im.test'), 'account-disabled', rig.clock.now())).toBe(1)
  })

  test.each(['account-removed', 'account-disabled', 'password-changed'] as const)(
    '%s: who has logged in before and not bound yet does neither bind nor resume; who comes later does', async (why) => {
    const rig = await rigOf()
    const { wire, id } = await managed(rig)
    wire.cut()
    const [binds, comesBack, other] = [await loggedIn(rig), await loggedIn(rig), await loggedIn(rig, 'bob')]
    rig.sessions.closeAccount(parseJid('alice@im.test'), why, rig.clock.now())
    binds.says(bindIq('r3'))
    comesBack.says(resume(id, 0))
    other.says(bindIq('r1'))
    const refused = streamError(why === 'password-changed' ? 'reset' : 'not-authorized')
    expect(await binds.until(/<\/stream:stream>/)).toMatch(refused)
    expect(await comesBack.until(/<\/stream:stream>/)).toMatch(refused)
    expect(await other.until(/<jid>/)).toContain('bob@im.test/r1')
    rig.clock.advance(1)
    expect((await rig.login('alice@im.test/r3')).ended).toBe(false)
  })

  test('what was closed is forgotten in time, and when it is too much', () => {
    const { sessions } = new Rig()
    const [alice, bob] = [parseJid('alice@im.test'), parseJid('bob@im.test')]
    sessions.closeAccount(alice, 'account-removed', 0)
    expect(() => sessions.checkLogin(alice, 0)).toThrow(StreamError)
    expect(() => sessions.checkLogin(alice, 1)).not.toThrow()
    sessions.closeAccount(bob, 'account-removed', 600_000)
    expect(() => sessions.checkLogin(alice, 0)).not.toThrow()
    expect(() => sessions.checkLogin(bob, 600_000)).toThrow(StreamError)
    for (let n = 0; n < 10_000; n++) sessions.closeAccount(parseJid(`a${n}@im.test`), 'account-removed', 600_001)
    expect(() => sessions.checkLogin(bob, 600_000)).not.toThrow()
  })

  test('shutdown tells everybody, also who has not logged in: system-shutdown (RFC 6120 §4.9.3.20)', async () => {
    const rig = await rigWith('alice')
    const bound = await rig.login('alice@im.test/r1')
    const fresh = rig.connect()
    fresh.says(header(fresh))
    rig.sessions.shutdown()
    for (const wire of [bound, fresh]) expect(wire.take()).toMatch(streamError('system-shutdown'))
    expect(rig.sessions.size).toBe(0)
  })

  test('a fenced node drops everybody at once, without a word', async () => {
    const rig = await rigWith('alice')
    const bound = await rig.login('alice@im.test/r1')
    const fresh = rig.connect()
    rig.sessions.abort('fenced')
    for (const wire of [bound, fresh]) {
      expect(wire.take()).toBe('')
      expect(wire.destroyed).toBe(true)
    }
    expect(rig.handler.over).toEqual([{ jid: 'alice@im.test/r1', reason: 'fenced' }])
  })
})

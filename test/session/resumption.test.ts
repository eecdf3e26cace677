/** Sessions that outlive their streams (XEP-0198 §4-§7), on one node; traps of the zero-loss design D.8. */
import { describe, expect, test } from '@jest/globals'
import { slot } from '../../src/session/slot.js'
import type { Mark } from '../../src/session/session.js'
import type { LogRecord, StableLog } from '../../src/session/stable-log.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { Stanza } from '../../src/xmpp/stanza.js'
import { bindIq, streamError } from '../stream/rig.js'
import {
  ALICE, answer, ASK, bodies, counts, ENABLE, loggedIn, managed, note, NS, resume, resumes, rigOf, send, turn
} from './managed.js'

const MESSAGE = "<message to='bob@im.test'/>"
const events = (rig: { readonly lines: readonly { readonly event: string }[] }): readonly string[] =>
  rig.lines.map(({ event }) => event).filter((event) => event.startsWith('session.'))

describe('a connection that is lost', () => {
  test('S28: leaves the session, which takes what comes; the client gets the rest in order, delayed once (§5, §7)', async () => {
    const rig = await rigOf()
    const { wire, id } = await managed(rig)
    rig.session(ALICE).setPresence(Stanza.of({ kind: 'presence' }), 0)
    send(rig, '1', '2', '3')
    wire.says(answer(1))
    wire.cut()
    send(rig, '4')
    expect(rig.handler.over).toEqual([])
    expect(rig.session(ALICE).presence).toBeDefined()
    expect(rig.sessions.count()).toEqual({ detached: 1, unacked: 3 })
    const again = await resumes(rig, id, 2)
    const text = again.take()
    expect(text).toMatch(new RegExp(`^<resumed ${NS} previd='${id}' h='0'/>`))
    expect(bodies(text)).toEqual(['3', '4'])
    expect(text.match(/<delay xmlns='urn:xmpp:delay' from='im.test' stamp='\d{4}-\d\d-\d\dT/g)).toHaveLength(2)
    send(rig, '5')
    expect(again.take()).toBe("<message to='alice@im.test/r1' from='bob@im.test/x' type='chat'><body>5</body></message>")
    expect(rig.resumes.counts).toEqual({ resumed: 1 })
    expect(events(rig)).toEqual(['session.detached', 'session.resumed'])
  })

  test('what is sent a third time still has one delay; requests have none (XEP-0203)', async () => {
    const rig = await rigOf()
    const { wire, id } = await managed(rig)
    send(rig, '1')
    void rig.session(ALICE).deliver(Stanza.of({ kind: 'iq', type: 'get', id: 'q', from: parseJid('bob@im.test/x'), to: parseJid(ALICE) }))
    wire.cut();
    (await resumes(rig, id, 0)).cut()
    const text = (await resumes(rig, id, 0)).take()
    expect(text.match(/<delay /g)).toHaveLength(1)
    expect(text).toMatch(/<iq [^>]*\/>$/)
  })

  test('resumes over another transport, in its form, with its language, address and security', async () => {
    const rig = await rigOf()
    const { wire, id } = await managed(rig)
    send(rig, '1')
    wire.cut()
    const [mood, lamp] = [slot('mood', 'calm', 'resume'), slot('lamp', 'off', 'stream')]
    rig.session(ALICE).set(mood, 'glad')
    rig.session(ALICE).set(lamp, 'on')
    const again = await resumes(rig, id, 0, { kind: 'websocket', address: '192.0.2.99' })
    expect(again.take()).toMatch(/<message xmlns='jabber:client' /)
    expect(rig.session(ALICE)).toMatchObject({ address: '192.0.2.99', secure: true })
    expect([rig.session(ALICE).get(mood), rig.session(ALICE).get(lamp)]).toEqual(['glad', 'off'])
    again.says("<message xmlns='jabber:client' to='bob@im.test' xml:lang='de'/>")
    expect(rig.handler.received.map(({ stanza, index }) => [stanza.lang, index])).toEqual([['de', 1]])
  })

  test('is over for good after the time that was said, with what nobody acknowledged; M14: then item-not-found with h', async () => {
    const rig = await rigOf()
    const { wire, id } = await managed(rig, {}, `<enable ${NS} resume='true' max='20'/>`)
    wire.says(MESSAGE + MESSAGE)
    send(rig, '1', '2')
    wire.says(answer(1))
    wire.cut()
    rig.clock.advance(19_000)
    expect(rig.handler.over).toEqual([])
    rig.clock.advance(1_500)
    expect(rig.handler.over).toEqual([{ jid: ALICE, reason: 'timeout' }])
    expect(rig.handler.left[0]?.map(({ stanza }) => stanza.elements()[0]?.text())).toEqual(['2'])
    expect(events(rig)).toEqual(['session.detached', 'session.expired'])
    expect((await resumes(rig, id, 1)).take()).toContain(`<failed ${NS} h='2'><item-not-found`)
    expect(rig.wheel.size).toBe(2)                                  // the one that may still bind, the look at who is silent
    rig.clock.advance(24 * 3_600_000)
    const { wire: next } = await managed(rig)
    next.says('</stream:stream>')
    expect((await resumes(rig, id, 1)).take()).toContain(`<failed ${NS}><item-not-found`)
  })

  test('h of a session that is over counts what was dealt with after its end', async () => {
    const rig = await rigOf()
    rig.handler.onReceive = () => undefined
    const { wire, id } = await managed(rig)
    wire.says(MESSAGE)
    const session = rig.session(ALICE)
    wire.cut()
    rig.clock.advance(301_000)
    session.handled(1)
    expect((await resumes(rig, id, 0)).take()).toContain(" h='1'>")
  })

  test('ends at once when the client has said good-bye, or has broken the protocol (§7)', async () => {
    for (const farewell of ['</stream:stream>', '<foo/>', answer(9)]) {
      const rig = await rigOf()
      const { wire } = await managed(rig)
      send(rig, '1')
      wire.says(farewell)
      expect(rig.handler.over).toHaveLength(1)
      expect(rig.handler.left[0]).toHaveLength(1)
    }
  })

  test('without a wish to resume it is over at once, and what was not acknowledged is known', async () => {
    const rig = await rigOf()
    const { wire } = await managed(rig, {}, `<enable ${NS}/>`)
    send(rig, '1', '2')
    wire.says(answer(1))
    wire.cut()
    expect(rig.handler.over).toEqual([{ jid: ALICE, reason: 'connection-lost' }])
    expect(rig.handler.left[0]).toHaveLength(1)
  })

  test('without stream management nothing is left, as ever', async () => {
    const rig = await rigOf()
    const wire = await rig.login(ALICE)
    send(rig, '1')
    wire.cut()
    expect(rig.handler.left).toEqual([[]])
  })

  test('a new login of the same resource, and the end of the node, end it too', async () => {
    const rig = await rigOf()
    const { wire, id } = await managed(rig)
    send(rig, '1')
    wire.cut()
    await rig.login(ALICE)
    expect(rig.handler.over).toEqual([{ jid: ALICE, reason: 'conflict' }])
    expect((await resumes(rig, id, 0)).take()).toContain('<item-not-found')
    const other = await rigOf()
    const gone = await managed(other)
    gone.wire.cut()
    other.sessions.shutdown()
    expect(other.handler.over).toEqual([{ jid: ALICE, reason: 'shutdown' }])
    expect(other.sessions.size).toBe(0)
  })

  test('a life that is fenced drops it without a word', async () => {
    const rig = await rigOf()
    const { wire } = await managed(rig)
    wire.cut()
    rig.sessions.abort('fenced')
    expect(rig.handler.over).toEqual([{ jid: ALICE, reason: 'fenced' }])
  })

  test('trap 13: what the device has of others stays with the session', async () => {
    const rig = await rigOf()
    const { wire, id } = await managed(rig)
    const watermarks = rig.session(ALICE).watermarks = new Map<string, Mark>()
    watermarks.set('f'.repeat(32), { last: 256, since: 256, again: undefined })
    wire.cut()
    await resumes(rig, id, 0)
    expect(rig.session(ALICE).watermarks).toBe(watermarks)
    expect(watermarks.size).toBe(1)
  })
})

describe('in place', () => {
  test('trap 14: the old connection is closed with conflict, at once, and nothing comes twice', async () => {
    const rig = await rigOf()
    const { wire, id } = await managed(rig)
    send(rig, '1', '2')
    wire.take()
    const again = await resumes(rig, id, 1)
    expect(wire.take()).toMatch(streamError('conflict'))
    expect(bodies(again.take())).toEqual(['2'])
    wire.says(MESSAGE)
    expect(rig.handler.received).toEqual([])
    wire.cut()
    send(rig, '3')
    expect(bodies(again.take())).toEqual(['3'])
    expect([rig.handler.over, rig.sessions.size, rig.resumes.counts]).toEqual([[], 1, { 'in-place': 1 }])
    expect(rig.closings().at(-1)?.fields).toMatchObject({ reason: 'replaced', condition: 'conflict' })
  })

  test('trap 15: of two at the same moment one gets the session, the other conflict', async () => {
    const held: (() => void)[] = []
    const log: StableLog = { append: ({ type }) => (type === 'IN' ? new Promise((resolve) => { held.push(resolve) }) : true) }
    const rig = await rigOf({ stableLog: log })
    const { wire, id } = await managed(rig)
    send(rig, '1')
    wire.cut()
    const [first, second] = [await loggedIn(rig), await loggedIn(rig)]
    first.says(resume(id, 0))
    second.says(resume(id, 0))
    for (const go of held) go()
    await turn()
    expect(first.take()).toMatch(streamError('conflict'))
    expect(bodies(second.take())).toEqual(['1'])
    send(rig, '2')
    expect(bodies(second.take())).toEqual(['2'])
    expect(rig.handler.over).toEqual([])
  })

  test('trap 33, I6: what is on its way stays so: sent again it is counted, not routed again', async () => {
    const rig = await rigOf()
    rig.handler.onReceive = () => undefined
    const { wire, id } = await managed(rig)
    const ids = (): readonly (string | undefined)[] => rig.handler.received.map(({ stanza }) => stanza.id)
    for (const n of [1, 2, 3, 4]) wire.says(`<message id='${n}' to='bob@im.test'/>`)
    const session = rig.session(ALICE)
    session.handled(1)
    session.handled(3)
    const again = await resumes(rig, id, 0)
    expect(again.take()).toContain(" h='1'/>")
    for (const n of [2, 3, 4, 5]) again.says(`<message id='${n}' to='bob@im.test'/>`)
    again.says(ASK)
    await turn()
    expect(ids()).toEqual(['1', '2', '3', '4', '5'])
    expect(rig.handler.received.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5])
    for (const n of [2, 4, 5]) session.handled(n)
    await turn()
    expect(counts(again.take())).toEqual([1, 5])
  })

  test('a handler that is not done holds the new stream as it held the old one', async () => {
    const rig = await rigOf()
    const { wire, id } = await managed(rig)
    let done = (): void => undefined
    rig.handler.onReceive = () => new Promise<void>((resolve) => { done = resolve })
    wire.says("<message id='1'/>")
    const again = await resumes(rig, id, 0)
    again.says("<message id='1'/>")
    again.says("<message id='2'/>")
    expect(rig.handler.received.map(({ stanza }) => stanza.id)).toEqual(['1'])
    done()
    await turn()
    expect(rig.handler.received.map(({ stanza }) => stanza.id)).toEqual(['1', '2'])
  })

  test('a client that sends a thousand stanzas again loses none: the window only pauses (I6)', async () => {
    const rig = await rigOf()
    const { wire, id } = await managed(rig)
    wire.cut()
    const waiting: number[] = []
    rig.handler.onReceive = (_session, _stanza, index) => void waiting.push(index)
    const again = await resumes(rig, id, 0)
    again.take()
    again.says(MESSAGE.repeat(1_000) + ASK)
    expect([waiting.length, again.paused]).toEqual([512, true])
    while (waiting.length > 0) rig.session(ALICE).handled(waiting.shift() ?? 0)
    await turn()
    expect(counts(again.take()).at(-1)).toBe(1_000)
    expect(rig.handler.received).toHaveLength(1_000)
  })
})

describe('h', () => {
  test('M06, trap 1: counts what is accepted, not what is read: told at once, and again when it grows, once a turn', async () => {
    const rig = await rigOf()
    rig.handler.onReceive = () => undefined
    const { wire } = await managed(rig)
    wire.says(MESSAGE.repeat(3) + ASK)
    await turn()
    expect(counts(wire.take())).toEqual([0])
    const session = rig.session(ALICE)
    session.handled(2)
    await turn()
    expect(wire.take()).toBe('')
    session.handled(1)
    await turn()
    expect(counts(wire.take())).toEqual([2])
    session.handled(3)
    await turn()
    expect(counts(wire.take())).toEqual([3])
    wire.says(MESSAGE)
    session.handled(4)
    await turn()
    expect(wire.take()).toBe('')                                  // nobody has asked
  })

  test('does not count what came before enabling (§4)', async () => {
    const rig = await rigOf()
    rig.handler.onReceive = () => undefined
    const wire = await rig.login(ALICE)
    wire.says(MESSAGE.repeat(2) + ENABLE + ASK)
    await turn()
    expect(counts(wire.take())).toEqual([0])
    wire.says(MESSAGE)
    for (const index of [3, 2, 1]) rig.session(ALICE).handled(index)
    wire.says(ASK)
    await turn()
    expect(counts(wire.take())).toEqual([1])
  })

  test('is said once for all questions that come together, and before the stream closes', async () => {
    const rig = await rigOf()
    const { wire } = await managed(rig)
    wire.says(MESSAGE + ASK + MESSAGE + ASK + MESSAGE)
    await turn()
    expect(counts(wire.take())).toEqual([3])
    wire.says(`${MESSAGE}${ASK}</stream:stream>`)
    expect(wire.take()).toBe(`<a ${NS} h='4'/></stream:stream>`)
    await turn()
    expect(wire.take()).toBe('')
  })

  test('trap 2: is said when it is stable, not before', async () => {
    const held: { readonly record: LogRecord; readonly go: () => void }[] = []
    const log: StableLog = {
      append: (record) => (record.type === 'IN' ? new Promise<void>((go) => { held.push({ record, go }) }) : true)
    }
    const rig = await rigOf({ stableLog: log })
    const { wire, id } = await managed(rig)
    wire.says(MESSAGE + ASK)
    await turn()
    expect(wire.take()).toBe('')
    held[0]?.go()
    await turn()
    expect([counts(wire.take()), held[0]?.record]).toEqual([[1], { type: 'IN', session: id.slice(0, 32), h: 1 }])
    const again = await loggedIn(rig)
    again.says(resume(id, 0))
    await turn()
    expect(again.take()).toBe('')
    held[1]?.go()
    expect(await again.until(/<resumed/)).toContain(" h='1'/>")
  })

  test('M16, trap 19: both counts go from 4294967295 to 0', async () => {
    const rig = await rigOf({ smStart: 4_294_967_290 })
    const { wire, id } = await managed(rig)
    const told: number[] = []
    for (const count of [5, 1, 1]) {
      wire.says(MESSAGE.repeat(count) + ASK)
      await turn()
      told.push(...counts(wire.take()))
    }
    expect(told).toEqual([4_294_967_295, 0, 1])
    send(rig, ...'123456789')
    wire.says(answer(4_294_967_295))
    expect(rig.sessions.count().unacked).toBe(4)
    wire.says(answer(1))
    wire.cut()
    expect(bodies((await resumes(rig, id, 2)).take())).toEqual(['9'])
  })
})

describe('what a client is sent', () => {
  test('trap 3: is written when it is stable, in order, and every stanza has a number without a gap (I1, I4)', async () => {
    const held: (() => void)[] = []
    const numbers: number[] = []
    const log: StableLog = {
      append(record) {
        if (record.type !== 'OUT') return true
        numbers.push(record.outNo)
        return new Promise((resolve) => { held.push(resolve) })
      }
    }
    const rig = await rigOf({ stableLog: log })
    const { wire } = await managed(rig)
    const stable = ['1', '2', '3'].map((body) => rig.session(ALICE).deliver(note(body)))
    expect(stable.every((promise) => promise instanceof Promise)).toBe(true)
    held[1]?.()
    held[2]?.()
    await turn()
    expect(wire.take()).toBe('')
    held[0]?.()
    await Promise.all(stable)
    expect(bodies(wire.take())).toEqual(['1', '2', '3'])
    expect(numbers).toEqual([1, 2, 3])
  })

  test('the log hears of opening, writing, trimming; nobody waits for "off"', async () => {
    const records: string[] = []
    const log: StableLog = {
      append({ type }) {
        records.push(type)
        return true
      }
    }
    const rig = await rigOf({ stableLog: log })
    const { wire } = await managed(rig)
    send(rig, '1')
    wire.says(answer(1) + ASK)
    await turn()
    expect(records).toEqual(['OUT', 'TRIM', 'IN'])
  })

  test('trap 18: an error for a client that is gone makes nothing', async () => {
    const rig = await rigOf()
    const { wire } = await managed(rig)
    const session = rig.session(ALICE)
    wire.says('</stream:stream>')
    expect(session.deliver(note('late'))).toBe(true)
    expect(rig.handler.left).toEqual([[]])
  })

  test('is asked for after 5 stanzas or a second, one question at a time; no answer for 60 s is a lost connection', async () => {
    const rig = await rigOf()
    const { wire } = await managed(rig)
    send(rig, ...'1234')
    expect(wire.take()).not.toContain('<r ')
    send(rig, '5')
    expect(wire.take()).toMatch(/<\/message><r xmlns='urn:xmpp:sm:3'\/>$/)
    send(rig, ...'6789abc')
    rig.clock.advance(3_000)
    expect(wire.take()).not.toContain('<r ')
    wire.says(answer(5))
    expect(wire.take()).toBe(ASK)
    wire.says(answer(12))
    send(rig, 'd')
    rig.clock.advance(1_250)
    expect(wire.take()).toMatch(/<r [^>]*>$/)
    rig.clock.advance(61_000)
    expect([wire.destroyed, rig.sessions.count()]).toEqual([true, { detached: 1, unacked: 1 }])
    expect(rig.closings()[0]?.fields).toMatchObject({ reason: 'timeout' })
  })

  test('does not pile up on a line that is full: it waits in the queue until the line has room', async () => {
    const rig = await rigOf()
    const { wire } = await managed(rig)
    wire.pendingBytes = 1
    send(rig, '1', '2', '3')
    expect(bodies(wire.take())).toEqual(['1'])
    wire.drain()
    expect(bodies(wire.take())).toEqual(['2', '3'])
  })

  test('a slow reader keeps its session', async () => {
    const rig = await rigOf()
    const { wire, id } = await managed(rig)
    wire.pendingBytes = 2_000
    send(rig, '1', '2')
    rig.clock.advance(11_000)
    expect(wire.take()).toMatch(streamError('resource-constraint'))
    expect(rig.handler.over).toEqual([])
    expect(bodies((await resumes(rig, id, 1)).take())).toEqual(['2'])
  })

  test('M14 of D.7: ten times too much unacknowledged: the connection is dropped, the session kept; still more: it is over, with all of it', async () => {
    const rig = await rigOf({ session: { smQueue: 10 } })
    const { wire } = await managed(rig)
    const sent = Array.from({ length: 100 }, (_, i) => String(i))
    send(rig, ...sent)
    expect(wire.destroyed).toBe(false)
    const more = Array.from({ length: 11 }, (_, i) => `more ${i}`)
    send(rig, ...more)
    expect([wire.destroyed, rig.handler.over]).toEqual([true, []])
    send(rig, 'last')
    expect(rig.handler.over).toEqual([{ jid: ALICE, reason: 'slow-reader' }])
    expect(rig.handler.left[0]?.map(({ stanza }) => stanza.elements()[0]?.text())).toEqual([...sent, ...more, 'last'])
  })

  test('the same in bytes', async () => {
    const rig = await rigOf({ session: { smQueueBytes: 65_536 } })
    const { wire } = await managed(rig)
    send(rig, ...Array.from({ length: 4 }, () => 'x'.repeat(40_000)))
    expect(wire.destroyed).toBe(true)
  })

  test('what came between binding and enabling is not counted, what waited behind the gate is', async () => {
    const rig = await rigOf()
    const wire = await loggedIn(rig)
    rig.handler.onBound = async (session) => void session.deliver(note('early'))
    wire.says(bindIq('r1'))
    expect(await wire.until(/early/)).toContain('<jid>')
    wire.says(ENABLE)
    rig.sessions.gate(false)
    send(rig, '1', '2')
    wire.take()
    expect(rig.sessions.count().unacked).toBe(2)
    rig.sessions.gate(true)
    expect(bodies(wire.take())).toEqual(['1', '2'])
    wire.says(answer(2))
    expect([wire.ended, rig.sessions.count().unacked]).toEqual([false, 0])
  })

  test('of a session without a connection keeps neither trees nor larger buffers', async () => {
    const rig = await rigOf()
    const { wire } = await managed(rig)
    const large = Buffer.alloc(65_536, 'x')
    const stanza = Stanza.ofBytes({ ...note(''), kind: 'message' }, [], large.subarray(0, 100))
    void rig.session(ALICE).deliver(stanza)
    expect(stanza.inside.buffer.byteLength).toBe(65_536)
    wire.cut()
    expect([stanza.inside.buffer.byteLength, stanza.inside.toString()]).toEqual([100, 'x'.repeat(100)])
  })
})

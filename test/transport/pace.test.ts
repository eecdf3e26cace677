/** How fast an established stream is read: buckets, and all transports (XEP-0205 §4.5). */
import { afterEach, describe, expect, test } from '@jest/globals'
import { boundsOf, FREE_TICKET } from '../../src/transport/bounds.js'
import type { RateBounds } from '../../src/transport/bounds.js'
import { streamLimitOptions } from '../../src/transport/options.js'
import type { StreamLimitSettings } from '../../src/transport/options.js'
import { Pace, paceOf } from '../../src/transport/pace.js'
import { kinds } from '../contract/transport-kinds.js'
import type { Connected } from '../contract/transport-kinds.js'
import { BOUNDS, initialOf, RecordingSink, REPLY, testRoom } from './support.js'
import type { TestRoom } from './support.js'

const settings = initialOf<StreamLimitSettings>(streamLimitOptions)
const RATES = boundsOf(settings).rates as RateBounds
const OFF: RateBounds = { ...RATES, bytes: 0, stanzas: 0, presences: 0, iqs: 0 }
const NO_ONE = { ...FREE_TICKET, exempt: false }

function reading(rates: RateBounds) {
  const room = testRoom({ rates })
  const said: string[] = []
  const pace = paceOf(room, NO_ONE, { rest: () => said.push('rest'), goOn: () => said.push('on') })
  if (pace === undefined) throw new Error('no rate holds')
  const many = (count: number, name: string): void => { for (let i = 0; i < count; i++) pace.stanza(name) }
  return { room, pace, said, many }
}

describe('the buckets', () => {
  test.each([
    ['message', RATES.stanzasBurst, RATES.stanzas], ['presence', RATES.presencesBurst, RATES.presences], ['iq', RATES.iqsBurst, RATES.iqs]
  ])('%s: %i at once, then %i a second', (name, burst, perSecond) => {
    const { room, many, said } = reading(RATES)
    many(burst, name)
    expect(said).toEqual([])
    many(perSecond, name)
    expect(said).toEqual(['rest'])
    room.clock.move(900)
    expect(said).toEqual(['rest'])
    room.clock.move(350)
    expect(said).toEqual(['rest', 'on'])
  })

  test('bytes: a stanza of full size passes at once; what is beyond is paid for at the rate', () => {
    const { room, pace, said } = reading(RATES)
    pace.bytes(262_144)
    expect(said).toEqual([])
    pace.bytes(10 * RATES.bytes)
    expect(said).toEqual(['rest'])
    room.clock.move(9_500)
    expect(said).toEqual(['rest'])
    room.clock.move(750)
    expect(said).toEqual(['rest', 'on'])
  })

  test('a bucket fills up again, never beyond the burst', () => {
    const { room, pace, many, said } = reading(RATES)
    for (let hour = 0; hour < 3; hour++) {
      room.clock.move(3_600_000)
      pace.bytes(0)
      many(200, 'message')
      expect(said).toEqual([])
    }
    many(1, 'message')
    expect(said).toEqual(['rest'])
  })

  test('what is owed adds up: the average is the rate, whatever the grain of the clock', () => {
    const { room, pace, many, said } = reading(RATES)
    many(200, 'message')
    let read = 0
    for (let quarter = 0; quarter < 400; quarter++) {
      while (said.at(-1) !== 'rest') {
        pace.stanza('message')
        read++
      }
      room.clock.move(250)
    }
    expect(read).toBeGreaterThan(4_950)
    expect(read).toBeLessThan(5_050)
  })

  test('`off` is no limit, and where all are off nothing is counted', () => {
    const { pace, many, said } = reading({ ...OFF, iqs: 1 })
    many(100_000, 'message')
    many(100_000, 'presence')
    pace.bytes(1e9)
    expect(said).toEqual([])
    const reader = { rest() {}, goOn() {} }
    expect(paceOf(testRoom({ rates: OFF }), NO_ONE, reader)).toBeUndefined()
    expect(paceOf(testRoom({ rates: RATES }), NO_ONE, reader)).toBeInstanceOf(Pace)
    expect(paceOf(testRoom({ rates: RATES }), FREE_TICKET, reader)).toBeUndefined()
  })
})

describe('--c2s-rate', () => {
  const { rateBytes } = streamLimitOptions

  test.each([['20kB/s', 20_480], ['20k', 20_480], ['4096', 4_096], ['1m/s', 1_048_576], ['off', 0], ['0', 0], ['5000B/s', 5_000]])(
    '%s is %i bytes', (text, value) => {
      expect(rateBytes.parse(text)).toBe(value)
      expect(rateBytes.parse(rateBytes.print(value))).toBe(value)
    })

  test.each(['20 kB', 'kB/s', '-1', '1B/s', '20kB/m', ''])('%j is refused with an example', (text) => {
    expect(() => rateBytes.parse(text)).toThrow('20kB/s')
  })
})

describe.each(kinds.filter(({ kind }) => kind !== 'memory'))('a stream over $name', (kind) => {
  const open: Connected[] = []
  afterEach(async () => { for (const one of open.splice(0)) await one.stop() })

  async function established(room: TestRoom): Promise<Connected & { readonly sink: RecordingSink }> {
    const connected = await kind.connect(room)
    open.push(connected)
    const { transport, client } = connected
    const sink = new RecordingSink()
    sink.react = (seen) => {
      if (seen.kind === 'header') transport.open(REPLY)
      if (seen.kind === 'closed') transport.end()
    }
    transport.attach(sink)
    client.open()
    await sink.until('header')
    transport.authenticated()
    return { ...connected, sink }
  }

  const message = (id: number): string => `<message xmlns='jabber:client' id='m${id}'><body>${'x'.repeat(300)}</body></message>`
  const ids = (count: number): string[] => [...Array(count).keys()].map((id) => `m${id}`)

  function sendAll(client: Connected['client'], count: number): void {
    const all = [...Array(count).keys()].map(message)
    for (const piece of kind.kind === 'bosh' ? [all.join('')] : all) client.send(piece)
  }

  async function come(sink: RecordingSink, count: number): Promise<void> {
    while (sink.names.length < count) await sink.next()
  }

  test('that sends 60 stanzas where 40 may come is read more slowly; all come, in order, and it lives', async () => {
    const room = testRoom({ rates: { ...RATES, stanzas: 10, stanzasBurst: 40 } }, [])
    const { sink, client, transport } = await established(room)
    sendAll(client, 60)
    await come(sink, 41)                               // the one too many is what makes it rest
    await new Promise((resolve) => { setTimeout(resolve, 50) })
    expect(sink.names).toHaveLength(41)
    while (sink.names.length < 60) {
      room.clock.move(500)
      await new Promise((resolve) => { setImmediate(resolve) })
    }
    expect(sink.names).toEqual(ids(60))
    expect(room.clock.now()).toBeGreaterThanOrEqual(1_001_900)   // 19 at 10 a second
    expect(transport.send("<message xmlns='jabber:client' id='still'/>")).toBe(true)
    expect(sink.seen.filter(({ kind: what }) => what === 'gone' || what === 'fault')).toEqual([])
  })

  test('that sends too many bytes is read more slowly', async () => {
    const room = testRoom({ rates: { ...RATES, bytes: 2_048, bytesBurst: 8_192 } }, [])
    const { sink, client } = await established(room)
    sendAll(client, 60)
    await come(sink, 1)
    await new Promise((resolve) => { setTimeout(resolve, 50) })
    expect(sink.names.length).toBeLessThan(40)
    while (sink.names.length < 60) {
      room.clock.move(500)
      await new Promise((resolve) => { setImmediate(resolve) })
    }
    expect(sink.names).toEqual(ids(60))
  })

  test('stopped by its owner and by the rate goes on only when both let it', async () => {
    const room = testRoom({ rates: { ...RATES, stanzas: 10, stanzasBurst: 5 } }, [])
    const { sink, client, transport } = await established(room)
    sendAll(client, 8)
    await come(sink, 6)
    transport.pause()
    room.clock.move(5_000)
    await new Promise((resolve) => { setTimeout(resolve, 30) })
    expect(sink.names).toHaveLength(6)
    transport.resume()
    await come(sink, 8)
    expect(sink.names).toEqual(ids(8))
  })

  test('of an exempt address is not limited', async () => {
    const { sink, client } = await established(testRoom({ rates: { ...RATES, stanzas: 1, stanzasBurst: 1 } }))
    sendAll(client, 60)
    await come(sink, 60)
    expect(sink.names).toEqual(ids(60))
  })
})

test('the defaults let one stanza of full size through at once', () => {
  expect(RATES.bytesBurst).toBeGreaterThanOrEqual(BOUNDS.after.stanzaBytes)
})

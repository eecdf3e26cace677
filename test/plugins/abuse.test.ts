/** Too many others in a minute (XEP-0205 §4.6): who is refused, who is not, and with what. */
import { describe, expect, test } from '@jest/globals'
import abuse from '../../src/plugins/abuse.js'
import blocking from '../../src/plugins/blocking.js'
import presence from '../../src/plugins/presence.js'
import roster from '../../src/plugins/roster.js'
import subscription from '../../src/plugins/subscription.js'
import { pluginBench, type Bench, type BenchDevice, type BenchOptions } from './bench.js'

const DAY_MS = 86_400_000
const REFUSED = /<error type='wait'><policy-violation .*<too-many-stanzas xmlns='urn:xmpp:errors'\/><\/error>/

async function scene(ageMs: number, options: BenchOptions = {}): Promise<{ bench: Bench, romeo: BenchDevice }> {
  const bench = await pluginBench([abuse], ['romeo@im.test', 'juliet@im.test'], options)
  bench.now += ageMs                                           // accounts of the bench were made at 0
  return { bench, romeo: await bench.binds('romeo@im.test/orchard') }
}

const errors = (device: BenchDevice): readonly string[] =>
  device.stanzas().filter(({ type }) => type === 'error').map((stanza) => stanza.toString())

async function writes(romeo: BenchDevice, count: number, make = (n: number): string => `<message to='n${n}@far.test/x${n}'/>`): Promise<number> {
  for (let n = 0; n < count; n++) await romeo.sends(make(n))
  const refused = errors(romeo)
  for (const one of refused) expect(one).toMatch(REFUSED)
  return refused.length
}

describe('others that an account writes to in a minute', () => {
  test.each([['younger than a day', DAY_MS - 3_600_000, 30], ['older', DAY_MS, 300]])('an account that is %s: %i ms, %i', async (_age, ageMs, most) => {
    const { bench, romeo } = await scene(ageMs)
    expect(await writes(romeo, most)).toBe(0)
    expect(await writes(romeo, most)).toBe(0)                   // the same ones again
    expect(await writes(romeo, 5, (n) => `<message to='more${n}@far.test'/>`)).toBe(5)
    bench.now += 61_000
    expect(await writes(romeo, 5, (n) => `<message to='more${n}@far.test'/>`)).toBe(0)
  })

  test('presence and IQ requests count like messages; all devices of an account together', async () => {
    const { bench, romeo } = await scene(0)
    const phone = await bench.binds('romeo@im.test/phone')
    expect(await writes(romeo, 10)).toBe(0)
    expect(await writes(phone, 10, (n) => `<presence to='p${n}@far.test'/>`)).toBe(0)
    expect(await writes(phone, 11, (n) => `<iq type='get' id='${n}' to='i${n}@far.test'><q xmlns='x'/></iq>`)).toBe(1)
  })

  test('one refused is refused alone: those that are known, the own account, servers and answers are not', async () => {
    const { romeo } = await scene(0)
    await writes(romeo, 40)
    for (const good of [
      "<message to='n1@far.test'/>", "<message to='romeo@im.test/phone'/>", "<presence to='far.test'/>", "<presence to='rooms.test/x'/>",
      "<iq type='result' id='1' to='new1@far.test'/>", "<message type='error' to='new2@far.test'/>"
    ]) await romeo.sends(good)
    expect(errors(romeo).filter((one) => REFUSED.test(one))).toEqual([])
    await romeo.sends("<message type='error' to='new3@far.test'/>")
    expect(errors(romeo)).toEqual([])                           // RFC 6120 §8.3.1: an error is never answered
  })

  test('exempt addresses have no limit', async () => {
    const { romeo } = await scene(0, { exempt: true })
    expect(await writes(romeo, 400)).toBe(0)
  })
})

describe('subscription requests', () => {
  async function lovers(): Promise<{ bench: Bench, romeo: BenchDevice }> {
    const bench = await pluginBench([abuse, blocking, presence, roster, subscription], ['romeo@im.test'])
    return { bench, romeo: await bench.binds('romeo@im.test/orchard', '<presence/>') }
  }

  test('twenty in a minute, also to one and the same; what is refused changes no roster', async () => {
    const { bench, romeo } = await lovers()
    expect(await writes(romeo, 20, (n) => `<presence type='subscribe' to='s${n}@far.test'/>`)).toBe(0)
    expect(await writes(romeo, 3, (n) => `<presence type='subscribe' to='late${n}@far.test'/>`)).toBe(3)
    expect(bench.abroad.filter(({ type }) => type === 'subscribe')).toHaveLength(20)
    expect(await romeo.asks('get', '', "<query xmlns='jabber:iq:roster'/>")).not.toContain('late')
    bench.now += 61_000
    expect(await writes(romeo, 20, () => "<presence type='subscribe' to='late0@far.test'/>")).toBe(0)
    expect(await writes(romeo, 1, () => "<presence type='subscribe' to='late0@far.test'/>")).toBe(1)
  })

  test('answers to requests are not limited by that', async () => {
    const { romeo } = await lovers()
    expect(await writes(romeo, 29, (n) => `<presence type='subscribed' to='s${n}@far.test'/>`)).toBe(0)
  })
})

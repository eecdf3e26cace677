import { beforeEach, describe, expect, test } from '@jest/globals'
import blocking from '../../src/plugins/blocking.js'
import offline from '../../src/plugins/offline.js'
import presence from '../../src/plugins/presence.js'
import roster from '../../src/plugins/roster.js'
import { pluginBench, type Bench, type BenchDevice } from './bench.js'

const plugins = [blocking, offline, presence, roster]
let bench: Bench
let romeo: BenchDevice

beforeEach(async () => {
  bench = await pluginBench(plugins, ['romeo@im.test', 'juliet@im.test'])
  romeo = await bench.binds('romeo@im.test/orchard')
})

const say = (text: string, to = 'juliet@im.test', type = 'chat'): string =>
  `<message type='${type}' to='${to}'><body>${text}</body></message>`
const delayed = "<delay xmlns='urn:xmpp:delay' from='im.test' stamp='1970-01-01T00:16:40.000Z'>Offline storage</delay>"

async function received(device: BenchDevice): Promise<readonly string[]> {
  return device.got().filter((line) => line.startsWith('message'))
}

async function condition(xml: string): Promise<string> {
  await romeo.sends(xml)
  return romeo.stanzas()[0]?.elements().at(-1)?.getChildElements()[0]?.name ?? 'accepted'
}

describe('XEP-0160 §3: messages for those who are away', () => {
  test('wait, and come in order, with the time of their sending, once', async () => {
    await romeo.sends(say('one'))
    bench.now += 5000
    await romeo.sends(say('two', 'juliet@im.test/gone'))
    await romeo.sends(say('three', 'juliet@im.test', 'normal'))
    expect(romeo.got()).toEqual([])
    bench.now += 5000
    const juliet = await bench.binds('juliet@im.test/balcony', '<presence/>')
    const later = delayed.replace('16:40', '16:45')
    expect(await received(juliet)).toEqual([
      `message chat romeo@im.test/orchard > juliet@im.test <body>one</body>${delayed}`,
      `message chat romeo@im.test/orchard > juliet@im.test/gone <body>two</body>${later}`,
      `message normal romeo@im.test/orchard > juliet@im.test <body>three</body>${later}`
    ])
    expect(await received(await bench.binds('juliet@im.test/chamber', '<presence/>'))).toEqual([])
  })

  test('wait for a non-negative priority (RFC 6121 §8.5.2.1.1)', async () => {
    const juliet = await bench.binds('juliet@im.test/balcony', '<presence><priority>-1</priority></presence>')
    await romeo.sends(say('one'))
    expect(await received(juliet)).toEqual([])
    await juliet.sends('<presence><priority>0</priority></presence>')
    expect(await received(juliet)).toHaveLength(1)
  })

  test('to devices that are there are not kept', async () => {
    const juliet = await bench.binds('juliet@im.test/balcony', '<presence/>')
    await romeo.sends(say('one'))
    expect(await received(juliet)).toEqual(['message chat romeo@im.test/orchard > juliet@im.test <body>one</body>'])
    expect(await bench.store.offline.read(juliet.account)).toEqual([])
  })

  test('of types that are for now or for rooms are not kept', async () => {
    expect(await condition(say('x', 'juliet@im.test', 'groupchat'))).toBe('service-unavailable')
    expect(await condition(say('x', 'juliet@im.test', 'headline'))).toBe('accepted')
    expect(await condition("<message type='error' to='juliet@im.test'><error/></message>")).toBe('accepted')
    const typing = "<composing xmlns='http://jabber.org/protocol/chatstates'/><thread>t</thread>"
    expect(await condition(`<message type='chat' to='juliet@im.test'>${typing}</message>`))
      .toBe('accepted')
    expect(await condition("<message type='chat' to='juliet@im.test'/>")).toBe('accepted')
    const juliet = await bench.binds('juliet@im.test/balcony', '<presence/>')
    expect(await received(juliet)).toEqual([])
  })

  test.each([['messages', { messagesMax: 1, bytesMax: 10_000 }], ['bytes', { messagesMax: 10, bytesMax: 200 }]])(
    'beyond the limit of %s: resource-constraint to the sender', async (_, settings) => {
      bench = await pluginBench(plugins, ['romeo@im.test', 'juliet@im.test'], { settings: () => settings })
      romeo = await bench.binds('romeo@im.test/orchard')
      expect(await condition(say('one'))).toBe('accepted')
      expect(await condition(say('two'))).toBe('resource-constraint')
    })

  test('are announced as a feature of the server', () => {
    expect(bench.pipeline.disco.host.features).toContain('msgoffline')
  })
})

describe('XEP-0203 §5: forged delays', () => {
  test('T18: a delay in the name of the server is taken away, others stay', async () => {
    const juliet = await bench.binds('juliet@im.test/balcony', '<presence/>')
    const mark = (from: string): string => `<delay xmlns='urn:xmpp:delay' from='${from}' stamp='2002-09-10T23:08:25Z'/>`
    await romeo.sends(
      `<message to='juliet@im.test'><body>x</body>${mark('IM.test')}${mark('room@rooms.test')}${mark('im.test')}${mark('@')}</message>`
    )
    expect(await received(juliet)).toEqual([
      `message romeo@im.test/orchard > juliet@im.test <body>x</body>${mark('room@rooms.test')}${mark('@')}`
    ])
  })
})

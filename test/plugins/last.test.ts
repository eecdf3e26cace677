import { beforeEach, describe, expect, test } from '@jest/globals'
import blocking from '../../src/plugins/blocking.js'
import last from '../../src/plugins/last.js'
import presence from '../../src/plugins/presence.js'
import roster from '../../src/plugins/roster.js'
import subscription from '../../src/plugins/subscription.js'
import { pluginBench, type Bench, type BenchDevice } from './bench.js'

const ask = "<query xmlns='jabber:iq:last'/>"
const seconds = (n: number, text = ''): string =>
  `<query xmlns='jabber:iq:last' seconds='${n}'${text === '' ? '/>' : `>${text}</query>`}`
let bench: Bench
let romeo: BenchDevice
let juliet: BenchDevice

beforeEach(async () => {
  bench = await pluginBench([blocking, last, presence, roster, subscription], ['romeo@im.test', 'juliet@im.test', 'nurse@im.test'])
  bench.now = 1_000_000
  romeo = await bench.binds('romeo@im.test/orchard', '<presence/>')
  juliet = await bench.binds('juliet@im.test/balcony', '<presence/>')
  await romeo.sends("<presence to='juliet@im.test' type='subscribe'/>")
  await juliet.sends("<presence to='romeo@im.test' type='subscribed'/>")
})

const stored = async (): Promise<{ here: unknown[] }> =>
  JSON.parse(await bench.store.values.get(juliet.account, 'last') ?? '') as { here: unknown[] }

describe('XEP-0012: last activity', () => {
  test('§5: of the server is how long it has been up', async () => {
    bench.now += 5_500
    expect(await romeo.asks('get', 'im.test', ask)).toBe(seconds(1005))
  })

  test('§3: of an account with an available device is nothing', async () => {
    bench.now += 10_000
    expect(await romeo.asks('get', 'juliet@im.test', ask)).toBe(seconds(0))
  })

  test('§3: of an account that is away is the time since it went, with its last words', async () => {
    await juliet.sends('<presence type="unavailable"><status>Heading home</status></presence>')
    bench.now += 903_999
    expect(await romeo.asks('get', 'juliet@im.test', ask)).toBe(seconds(903, 'Heading home'))
    await juliet.sends('<presence/>')
    expect(await romeo.asks('get', 'juliet@im.test', ask)).toBe(seconds(0))
  })

  test('§3: counts from the last device, also when it goes without a word', async () => {
    const phone = await bench.binds('juliet@im.test/phone', '<presence/>')
    await juliet.sends('<presence type="unavailable"><status>x</status></presence>')
    expect(await romeo.asks('get', 'juliet@im.test', ask)).toBe(seconds(0))
    bench.now += 2_000
    await bench.ends(phone)
    bench.now += 3_000
    expect(await romeo.asks('get', 'juliet@im.test', ask)).toBe(seconds(3))
    expect((await stored()).here).toEqual([])
  })

  test('devices of a node that died do not count', async () => {
    await bench.store.values.set(juliet.account, 'last', JSON.stringify({ at: 990_000, status: '', here: [['s', 'b#7']] }))
    expect(await romeo.asks('get', 'juliet@im.test', ask)).toBe(seconds(10))
  })

  test('§3: is for those who may see presence; to others every account looks the same, also one that is not there', async () => {
    for (const who of ['romeo', 'nurse', 'nobody']) expect(await juliet.asks('get', `${who}@im.test`, ask)).toBe('auth/forbidden')
    expect(await romeo.asks('get', '', ask)).toBe(seconds(0))
  })

  test('§7: blocking hides it', async () => {
    await juliet.sends("<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='romeo@im.test'/></block></iq>")
    expect(await romeo.asks('get', 'juliet@im.test', ask)).toBe('cancel/service-unavailable')
  })

  test('§4: a device answers for itself to those who may see it, and is not asked by others', async () => {
    juliet.got()
    await romeo.sends(`<iq type='get' id='l' to='juliet@im.test/balcony'>${ask}</iq>`)
    expect(juliet.got()).toEqual([`iq get romeo@im.test/orchard > juliet@im.test/balcony ${ask}`])
    expect(await juliet.asks('get', 'romeo@im.test/orchard', ask)).toBe('cancel/service-unavailable')
  })
})

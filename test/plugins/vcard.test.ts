import { beforeEach, describe, expect, test } from '@jest/globals'
import vcard from '../../src/plugins/vcard.js'
import { pluginBench, type Bench, type BenchDevice } from './bench.js'

const card = (inside = ''): string => (inside === '' ? "<vCard xmlns='vcard-temp'/>" : `<vCard xmlns='vcard-temp'>${inside}</vCard>`)
let bench: Bench
let romeo: BenchDevice
let juliet: BenchDevice

beforeEach(async () => {
  bench = await pluginBench([vcard], ['romeo@im.test', 'juliet@im.test'])
  romeo = await bench.binds('romeo@im.test/orchard')
  juliet = await bench.binds('juliet@im.test/balcony')
})

describe('XEP-0054: vCards', () => {
  test('§3.1: without one there is none', async () => {
    expect(await romeo.asks('get', '', card())).toBe('cancel/item-not-found')
  })

  test('§3.2, §3.3: are changed by their owner and read by everybody', async () => {
    const mine = card('<FN>Romeo &lt;M&gt;</FN><PHOTO><BINVAL>AAAA</BINVAL></PHOTO>')
    expect(await romeo.asks('set', '', mine)).toBe('')
    expect(await romeo.asks('get', '', card())).toBe(mine)
    expect(await romeo.asks('get', 'romeo@im.test', card())).toBe(mine)
    expect(await juliet.asks('get', 'romeo@im.test', card())).toBe(mine)
  })

  test('§3.3: no card and no account are the same to others', async () => {
    const answers: string[] = []
    for (const who of ['juliet', 'nobody']) {
      await romeo.sends(`<iq type='get' id='q' to='${who}@im.test'>${card()}</iq>`)
      answers.push(romeo.got().join().replaceAll(who, 'X'))
    }
    expect(answers[0]).toContain('service-unavailable')
    expect(answers[0]).toBe(answers[1])
  })

  test('Q45: nobody else\'s can be changed, whether there is such an account or not', async () => {
    expect(await romeo.asks('set', 'juliet@im.test', card('<FN>x</FN>'))).toBe('auth/forbidden')
    expect(await romeo.asks('set', 'nobody@im.test', card('<FN>x</FN>'))).toBe('auth/forbidden')
    expect(await juliet.asks('get', '', card())).toBe('cancel/item-not-found')
  })

  test('Q16: one of 200 KiB is too much, and the old one stays', async () => {
    await romeo.asks('set', '', card('<FN>R</FN>'))
    expect(await romeo.asks('set', '', card(`<PHOTO><BINVAL>${'A'.repeat(200 * 1024)}</BINVAL></PHOTO>`))).toBe('modify/not-acceptable')
    expect(await romeo.asks('get', '', card())).toBe(card('<FN>R</FN>'))
  })
})

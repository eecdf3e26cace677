import { beforeEach, describe, expect, test } from '@jest/globals'
import privateXml from '../../src/plugins/private.js'
import { pluginBench, type Bench, type BenchDevice } from './bench.js'

const NS = 'jabber:iq:private'
const query = (inside: string): string => `<query xmlns='${NS}'>${inside}</query>`
let bench: Bench
let romeo: BenchDevice

beforeEach(async () => {
  bench = await pluginBench([privateXml], ['romeo@im.test', 'juliet@im.test'])
  romeo = await bench.binds('romeo@im.test/orchard')
})

describe('XEP-0049 §2: private XML', () => {
  test('comes back as it was stored, one entry for each name and namespace', async () => {
    const prefs = "<exodus xmlns='exodus:prefs' v='1'><nick>R &amp; J</nick>\n<y xmlns='other'/></exodus>"
    expect(await romeo.asks('set', '', query(`${prefs}<s xmlns='storage:bookmarks'>a</s>`))).toBe('')
    expect(await romeo.asks('get', '', query("<exodus xmlns='exodus:prefs'/>"))).toBe(query(prefs))
    expect(await romeo.asks('get', 'romeo@im.test', query("<s xmlns='storage:bookmarks'/>")))
      .toBe(query("<s xmlns='storage:bookmarks'>a</s>"))
    expect(await romeo.asks('set', '', query("<s xmlns='storage:bookmarks'/>"))).toBe('')
    expect(await romeo.asks('get', '', query("<s xmlns='storage:bookmarks'/>"))).toBe(query("<s xmlns='storage:bookmarks'/>"))
    expect(await romeo.asks('get', '', query("<exodus xmlns='exodus:prefs'/>"))).toBe(query(prefs))
  })

  test('several elements of one name are one entry', async () => {
    const two = "<a xmlns='u'>1</a><a xmlns='u'>2</a>"
    await romeo.asks('set', '', query(two))
    expect(await romeo.asks('get', '', query("<a xmlns='u'/>"))).toBe(query(two))
  })

  test('what is not there is answered as it was asked', async () => {
    expect(await romeo.asks('get', '', query("<a xmlns='u'/>"))).toBe(query("<a xmlns='u'/>"))
  })

  test('Q15: there is one element to get, and each has a namespace of its own', async () => {
    expect(await romeo.asks('get', '', query(''))).toBe('modify/bad-request')
    expect(await romeo.asks('get', '', query("<a xmlns='u'/><b xmlns='u'/>"))).toBe('modify/bad-request')
    expect(await romeo.asks('set', '', query(''))).toBe('modify/not-acceptable')
    expect(await romeo.asks('set', '', query("<a xmlns='u'/><b/>"))).toBe('modify/not-acceptable')
    expect(await romeo.asks('get', '', query("<a xmlns='u'/>"))).toBe(query("<a xmlns='u'/>"))
  })

  test('Q45: is nobody else\'s, whether there is such an account or not', async () => {
    for (const who of ['juliet@im.test', 'nobody@im.test']) {
      for (const type of ['get', 'set'] as const) {
        expect(await romeo.asks(type, who, query("<a xmlns='u'/>"))).toBe('auth/forbidden')
      }
    }
  })

  test('is bounded in size and number', async () => {
    bench = await pluginBench([privateXml], ['romeo@im.test'], { settings: () => ({ entriesMax: 1, bytesMax: 60 }) })
    romeo = await bench.binds('romeo@im.test/orchard')
    expect(await romeo.asks('set', '', query(`<a xmlns='u'>${'x'.repeat(60)}</a>`))).toBe('modify/not-acceptable')
    expect(await romeo.asks('set', '', query("<a xmlns='u'>1</a>"))).toBe('')
    expect(await romeo.asks('set', '', query("<b xmlns='u'>1</b>"))).toBe('wait/resource-constraint')
    expect(await romeo.asks('set', '', query("<a xmlns='u'>2</a>"))).toBe('')
  })
})

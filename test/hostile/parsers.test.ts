/**
 * Smuggling by parsers that differ: what one client sends that is odd and right reaches another one as bytes in which three
 * parsers that are not ours find the same tree, and no element of streams.
 */
import { afterAll, beforeAll, expect } from '@jest/globals'
import { ALL_ROWS } from './corpus/rows.js'
import { FORMS, type Case } from './corpus/row.js'
import { byExpat, byLtx, bySaxes } from './opinions.js'
import { bytesOf } from './runner.js'
import { ask, framed, Stage } from './stage.js'
import { Tally } from './tally.js'

const STREAMS = 'http://etherx.jabber.org/streams'
const tally = new Tally('parsers')
let stage: Stage
beforeAll(async () => { stage = await Stage.set({}) }, 60_000)
afterAll(() => stage.clear())

/** Insides that parsers have disagreed about. */
const ODD: readonly string[] = [
  '<body>&#x80;&#x85;&#x2028;&#xFFFD;&#x10FFFF;</body>', '<body>\u0085\u2028\ufeff\u00a0</body>', '<body>a\r\nb\rc\n</body>',
  '<body><![CDATA[]]]]><![CDATA[>]]></body>', '<body><![CDATA[</body></message><message to="bob@im.test"><body>]]></body>',
  '<body>&lt;/body&gt;&amp;lt;</body>', "<x xmlns='urn:x' k='&lt;&gt;&amp;&quot;&apos;&#9;&#10;&#13;'/>",
  "<x xmlns='urn:x' k='a\tb\nc'/>", '<x xmlns="urn:x" k="\'&#34;"/>', "<x xmlns='urn:}x'/>", "<x xmlns='urn:&#124;x'/>",
  "<a:x xmlns:a='urn:a'><x xmlns='urn:b'/><a:y/></a:x>", "<a:x xmlns:a='urn:a' a:k='1' k='2'/>", "<x xmlns=''/>",
  "<x xmlns='urn:x'><y xmlns=''><z/></y></x>", "<a:a xmlns:a='urn:a'><a:a xmlns:a='urn:b'/></a:a>", "<x xmlns='urn:x' xml:lang='en'/>",
  "<xml:x xmlns='urn:x'/>", "<x xmlns='http://etherx.jabber.org/streams&#10;'/>", "<x xmlns='urn:x'\n\t k\r\n=\n'v'\n/>",
  "<x xmlns='urn:x' ></x >", '<\u00e9l\u00e9ment xmlns="urn:x" cl\u00e9="1"/>', '<x.-_1 xmlns="urn:x"/>', '<_ xmlns="urn:x"/>',
  "<x xmlns='urn:x'>&#60;y/&#62;</x>", "<x xmlns='urn:&lt;y xmlns=&quot;z&quot;&gt;'/>", "<body>\ud83d\ude00\ud800\udc00</body>",
  "<p:x xmlns:p='urn:x'><![CDATA[ ]]> <!-- --></p:x>"
]

const documents: string[] = []
const delivered = ALL_ROWS.flatMap(({ id, cases }) => cases.map((one) => ({ id, one })))
  .filter(({ one }) => one.expect.is === 'pass' && one.expect.delivers !== undefined)

for (const [n, { id, one }] of [...delivered, ...ODD.map((inside, i): { id: string, one: Pick<Case, 'send'> } =>
  ({ id: `odd ${i}`, one: { send: `<message{ns} to='{bob}' id='odd'>${inside}</message>` } }))].entries()) {
  const form = FORMS[n % FORMS.length] ?? 'tcp'
  tally.test(`what is delivered of ${id} (${n}) is one tree to saxes and ltx over ${form}`, form, async () => {
    const hostile = await stage.reach(form, 'ON')
    const { wire } = hostile
    wire.send(bytesOf(one.send, { stage, hostile }))
    const ended = await ask(wire, 'get', "<ping xmlns='urn:xmpp:ping'/>").then(() => false, () => true)
    await stage.deliveredToBob()
    const document = `<stream:stream xmlns='jabber:client' xmlns:stream='${STREAMS}'>${stage.rawOfBob()}</stream:stream>`
    documents.push(document)
    const events = bySaxes(document)
    expect(events).toBeDefined()
    expect(byLtx(document)).toEqual(events)
    expect(events?.filter((event) => event[0] === 'start' && event[1] === STREAMS)).toHaveLength(1)
    if (!ended) {
      expect(framed(wire)).toBeDefined()
      wire.close()
    }
    wire.cut()
  })
}

tally.test('and all of it is the same to Expat, where there is a Python that has it', 'tcp', () => {
  const heard = byExpat(documents)
  process.stdout.write(`parsers: ${documents.length} documents, ${heard === undefined ? 'no Expat here' : 'Expat too'}\n`)
  expect(documents.length).toBeGreaterThan(ODD.length)
  for (const [n, opinion] of heard?.entries() ?? []) expect([documents[n], opinion]).toEqual([documents[n], bySaxes(documents[n] ?? '')])
  return Promise.resolve()
})

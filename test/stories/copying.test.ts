/**
 * Boring bytes are copied, odd ones are rewritten, and a tree is built only for whoever looks inside: on real nodes, to a
 * receiver on the same node and to one behind a link. What was taken is counted by `starling_stanza_contents_total`.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { freshDatabase } from '../databases.js'
import type { TestClient } from '../support/client.js'
import { Cluster } from '../support/cluster.js'

interface Counts {
  readonly copied: number
  readonly rewritten: number
  readonly tree: number
}

/** Insides that keep to the small grammar: the receiver gets these very bytes. */
const BORING: readonly (readonly [what: string, inside: string])[] = [
  ['a body', '<body>hello</body>'],
  ['single and double quotes', `<x xmlns="urn:x" a="it's" b='"'/>`],
  ['the five entities', "<body>&lt;&gt;&amp;&apos;&quot;</body><x xmlns='urn:x' a='&lt;&quot;'/>"],
  ['text of all the world', '<body>é 漢字 😀 > ]] \u00a0</body>'],
  ['the same namespace declared again', "<x xmlns='urn:x'><y xmlns='urn:x'/><z xmlns='jabber:client'/></x>"],
  ['blanks between elements', '\n  <body>x</body>\n\t<subject>y</subject>\n'],
  ['text beside elements', "<x xmlns='urn:x'>a<b/>c</x>"],
  ['nothing', '']
]

/** Odd ones: what comes in, and what goes out. */
const ODD: readonly (readonly [what: string, inside: string, written: string])[] = [
  ['CDATA', '<body><![CDATA[<a> & b]]></body>', '<body>&lt;a&gt; &amp; b</body>'],
  ['CDATA with the end of another', '<body><![CDATA[]]]]><![CDATA[>]]></body>', '<body>]]&gt;</body>'],
  ['character references', '<body>&#x48;&#105; &#x1F600;</body>', '<body>Hi 😀</body>'],
  ['a line break by number', "<body>a&#13;&#10;b</body><x xmlns='urn:x' a='&#10;'/>", "<body>a&#13;\nb</body><x xmlns='urn:x' a='&#10;'/>"],
  ['a namespace with a prefix', "<p:x xmlns:p='urn:p'><p:y/></p:x>", "<x xmlns='urn:p'><y/></x>"],
  ['an attribute with a prefix', "<x xmlns='urn:x' xmlns:p='urn:p' p:a='1'/>", "<x xmlns='urn:x' xmlns:ns0='urn:p' ns0:a='1'/>"],
  ['a prefix declared again', "<p:x xmlns:p='urn:p'><p:y xmlns:p='urn:q'/><p:z/></p:x>", "<x xmlns='urn:p'><y xmlns='urn:q'/><z/></x>"],
  ['a language', "<body xml:lang='de'>x</body>", "<body xml:lang='de'>x</body>"],
  ['a line break in a value', "<x xmlns='urn:x' a='b\nc'/>", "<x xmlns='urn:x' a='b c'/>"],
  ['carriage returns', '<body>a\r\nb\rc</body>', '<body>a\nb\nc</body>'],
  ['C1 controls', '<body>\u0085\u007f</body>', '<body>&#133;&#127;</body>'],
  ['names that are not ASCII', "<é xmlns='urn:x'/>", "<é xmlns='urn:x'/>"],
  ['blanks in tags', "<body  >x</body ><x\txmlns = 'urn:x'/>", "<body>x</body><x xmlns='urn:x'/>"],
  ['a raw > in a value', "<x xmlns='urn:x' a='>'/>", "<x xmlns='urn:x' a='&gt;'/>"]
]

describe('two nodes', () => {
  let cluster: Cluster
  let romeo: TestClient
  let tybalt: TestClient
  let juliet: TestClient
  /** All that came to each receiver. */
  const heard = new Map<TestClient, Buffer[]>()

  beforeAll(async () => {
    const accounts = ['romeo', 'tybalt', 'juliet']
    cluster = await Cluster.of({ nodes: 2, database: await freshDatabase('sqlite'), accounts })
    romeo = await cluster.login(0, 'romeo')
    tybalt = await cluster.login(0, 'tybalt')
    juliet = await cluster.login(1, 'juliet')
    for (const receiver of [tybalt, juliet]) {
      const chunks: Buffer[] = []
      heard.set(receiver, chunks)
      receiver.socket.on('data', (chunk: Buffer) => void chunks.push(chunk))
    }
  }, 60_000)
  afterAll(() => cluster.end())

  async function counts(n: number): Promise<Counts> {
    const text = await (await fetch(`http://127.0.0.1:${cluster.node(n).ports.admin}/metrics`)).text()
    const of = (path: keyof Counts): number => {
      const line = new RegExp(`^starling_stanza_contents_total\\{path="${path}"\\} (\\d+)$`, 'm').exec(text)
      if (line === null) throw new Error(`no metric of ${path}`)
      return Number(line[1])
    }
    return { copied: of('copied'), rewritten: of('rewritten'), tree: of('tree') }
  }

  /** What both nodes count while `act` runs. */
  async function counted(act: () => Promise<void>): Promise<readonly [Counts, Counts]> {
    const before = [await counts(0), await counts(1)] as const
    await act()
    const after = [await counts(0), await counts(1)] as const
    const less = (a: Counts, b: Counts): Counts =>
      ({ copied: a.copied - b.copied, rewritten: a.rewritten - b.rewritten, tree: a.tree - b.tree })
    return [less(after[0], before[0]), less(after[1], before[1])]
  }

  const NOTHING: Counts = { copied: 0, rewritten: 0, tree: 0 }

  /** What came to both receivers between the root tags of the message. */
  async function sent(inside: string): Promise<readonly string[]> {
    return Promise.all([...heard].map(async ([receiver, chunks]) => {
      chunks.length = 0
      const id = romeo.newId()
      romeo.write(`<message to='${receiver.jid}' id='${id}'>${inside}</message>`)
      await receiver.next((e) => e.attrs['id'] === id)
      const text = Buffer.concat(chunks).toString()
      const whole = /^<message [^>]*?(?:\/>|>([^]*)<\/message>)$/.exec(text)
      if (whole === null) throw new Error(`no message alone: ${text}`)
      return whole[1] ?? ''
    }))
  }

  test.each(BORING)('%s: the bytes are copied, and no tree is built on either node', async (_what, inside) => {
    const [first, second] = await counted(async () => { expect(await sent(inside)).toEqual([inside, inside]) })
    expect([first, second]).toEqual([{ copied: 2, rewritten: 0, tree: 0 }, NOTHING])
  })

  test.each(ODD)('%s: written anew, the same to all, and no tree is kept for it', async (_what, inside, written) => {
    const [first, second] = await counted(async () => { expect(await sent(inside)).toEqual([written, written]) })
    expect([first, second]).toEqual([{ copied: 0, rewritten: 2, tree: 0 }, NOTHING])
  })

  test('what XMPP forbids ends the stream and is counted nowhere (RFC 6120 §11.1)', async () => {
    for (const forbidden of ['<!-- x -->', '<?x y?>', '&x;', '<p:x/>']) {
      const client = await cluster.login(0, 'romeo', { available: false })
      const [first] = await counted(async () => {
        client.write(`<message to='${juliet.jid}'><body>${forbidden}</body></message>`)
        await client.gone()
      })
      expect(client.streamError).toMatch(/^(?:restricted-xml|not-well-formed|bad-namespace-prefix)$/)
      expect(first).toEqual(NOTHING)
    }
  })

  test('a request whose handler does not look inside needs no tree, one whose handler does needs one', async () => {
    expect((await counted(async () => { await romeo.ping() }))[0]).toEqual({ copied: 1, rewritten: 0, tree: 0 })
    const item = "<query xmlns='jabber:iq:roster'><item jid='nurse@localhost'/></query>"
    expect((await counted(async () => { await romeo.iq('set', '', item) }))[0]).toEqual({ copied: 1, rewritten: 0, tree: 1 })
  })

  test('a tree that is built behind a link is counted there: an inactive client, and presence of a room (XEP-0352 §5.1)', async () => {
    juliet.write("<inactive xmlns='urn:xmpp:csi:0'/>")
    await juliet.ping()
    const [first, second] = await counted(async () => {
      romeo.write(`<presence to='${juliet.jid}'><x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x></presence>`)
      await juliet.presence(romeo.jid)
    })
    expect([first, second]).toEqual([{ copied: 1, rewritten: 0, tree: 0 }, { copied: 0, rewritten: 0, tree: 1 }])
  })
})

/** RFC 6121 §5 and §8, RFC 6120 §8.2.3 and §10: where messages and IQs go, between two nodes; with XEP-0160 and XEP-0203. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Element } from 'ltx'
import type { TestClient } from '../support/client.js'
import type { StrategyName } from '../support/cluster.js'
import { condition, got, Scene, settled, type Person } from '../support/scene.js'

const TYPES = ['normal', 'chat', 'groupchat', 'headline', 'error'] as const
type Type = (typeof TYPES)[number]

/** O: stored, E: refused, S: silence, else the resources that get it. */
type Row = Readonly<Record<Type, string>>
const row = (normal: string, chat: string, groupchat: string, headline: string): Row => ({ normal, chat, groupchat, headline, error: 'S' })

interface Devices {
  readonly [resource: string]: { readonly node: number, readonly priority?: number }
}

/** Table 1: the choices that it leaves are documented as made here. */
const TABLE: readonly (readonly [string, Devices | undefined, string, Row])[] = [
  ['no account, bare', undefined, '', row('E', 'E', 'E', 'S')],
  ['no account, full', undefined, '/x', row('E', 'E', 'E', 'E')],
  ['no device, bare', {}, '', row('O', 'O', 'E', 'S')],
  ['no device, full', {}, '/x', row('E', 'O', 'E', 'E')],
  ['connected only, bare', { x: { node: 1 } }, '', row('O', 'O', 'E', 'S')],
  ['connected only, full match', { x: { node: 1 } }, '/x', { ...row('x', 'x', 'x', 'x'), error: 'x' }],
  ['negative on both nodes, bare', { x: { node: 0, priority: -1 }, y: { node: 1, priority: -128 } }, '', row('O', 'O', 'E', 'S')],
  ['negative, full match', { x: { node: 0, priority: -1 }, y: { node: 1, priority: -1 } }, '/y',
    { ...row('y', 'y', 'y', 'y'), error: 'y' }],
  ['negative, full without match', { x: { node: 1, priority: -1 } }, '/z', row('E', 'O', 'E', 'E')],
  ['one device, bare', { x: { node: 1, priority: 0 } }, '', row('x', 'x', 'E', 'x')],
  ['one device, full match', { x: { node: 1, priority: 0 } }, '/x', { ...row('x', 'x', 'x', 'x'), error: 'x' }],
  ['one device, full without match', { x: { node: 1, priority: 0 } }, '/z', row('E', 'x', 'E', 'E')],
  ['several, bare', { x: { node: 0, priority: 0 }, y: { node: 1, priority: 5 }, z: { node: 1, priority: -1 }, w: { node: 0 } }, '',
    row('x y', 'x y', 'E', 'x y')],
  ['several, full match', { x: { node: 0, priority: 0 }, y: { node: 1, priority: 5 } }, '/x', { ...row('x', 'x', 'x', 'x'), error: 'x' }],
  ['several, full without match', { x: { node: 0, priority: 0 }, y: { node: 1, priority: 5 } }, '/z', row('E', 'x y', 'E', 'E')]
]

const NS_DELAY = 'urn:xmpp:delay'
const STAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/
const error = `<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`

describe.each<[StrategyName]>([['broadcast'], ['online-users-caching']])('RFC 6121 §8 on two nodes with %s', (strategy) => {
  let scene: Scene
  let sender: TestClient
  let romeo: Person

  beforeAll(async () => {
    scene = await Scene.of(strategy)
    ;[romeo] = await scene.people('romeo')
    sender = await scene.device(romeo, 0, 'orchard')
  }, 60_000)
  afterAll(() => scene.end())

  async function place(juliet: Person, devices: Devices): Promise<TestClient[]> {
    const clients: TestClient[] = []
    for (const [resource, { node, priority }] of Object.entries(devices)) clients.push(await scene.device(juliet, node, resource, {
      available: priority !== undefined, presence: `<priority>${priority ?? 0}</priority>`
    }))
    return clients
  }

  describe('§8.5.4, table 1', () => {
    test.each(TABLE)('%s', async (_, devices, resource, expected) => {
      const [juliet] = devices === undefined ? [{ user: 'nobody-of-ours', jid: 'nobody-of-ours@localhost' }] : await scene.people('juliet')
      const clients = await place(juliet, devices ?? {})
      const to = `${juliet.jid}${resource}`
      for (const type of TYPES) {
        const inside = `<body>${type}</body>${type === 'error' ? error : ''}`
        sender.write(`<message id='${type}' to='${to}' type='${type}'>${inside}</message>`)
      }
      await settled(sender, ...clients)
      const fates: Record<string, string> = {}
      for (const type of TYPES) {
        fates[type] = clients.filter((client) => taken(client, type, to)).map((client) => client.jid.split('/')[1]).join(' ')
      }
      for (const type of TYPES) {
        if (expected[type] !== 'E') continue            // it comes when the other node has said that nobody is there
        const answer = await sender.next((e) => e.attrs['id'] === type)
        expect(condition(answer)).toBe('cancel/service-unavailable')
        expect(answer.attrs).toMatchObject({ from: to, to: sender.jid })
        fates[type] += 'E'
      }
      const waiting = TYPES.filter((type) => expected[type] === 'O').length
      const stored = devices === undefined ? [] : await kept(juliet, waiting)
      for (const type of stored) fates[type] += 'O'
      for (const type of TYPES) fates[type] ||= 'S'
      expect(fates).toEqual(expected)
      await settled(sender)
      expect(got(sender)).toEqual([])
      for (const client of clients) await client.close()
    })

    /** Whether it came, once and with its `to` as it was (§8.5.2.1.1). */
    function taken(client: TestClient, type: Type, to: string): boolean {
      const found = client.inbox.filter((e) => e.attrs['type'] === type && e.is('message'))
      for (const e of found) expect(e.attrs).toMatchObject({ to, from: sender.jid, id: type })
      expect(found.length).toBeLessThan(2)
      return found.length === 1
    }

    async function kept(juliet: Person, count: number): Promise<string[]> {
      await scene.cluster.accounts.stored(juliet.user, 'localhost', count)
      const back = await scene.device(juliet, 1, 'back', { keep: true })
      await settled(back)
      const bodies = back.inbox.filter((e) => e.getChild('delay', NS_DELAY) !== undefined).map((e) => e.getChildText('body') ?? '')
      await back.close()
      return bodies
    }
  })

  describe('§5 and RFC 6120 §10.3', () => {
    test('§5.2.2: a type that does not exist is normal', async () => {
      const [juliet] = await scene.people('juliet')
      const [hers] = await place(juliet, { x: { node: 1, priority: 0 } }) as [TestClient]
      sender.write(`<message to='${juliet.jid}' type='whisper'><body>psst</body></message>`)
      expect((await hers.message('psst')).attrs['from']).toBe(sender.jid)
    })

    test('§10.3.1: a message without "to" is for the own bare JID, and so for all own devices', async () => {
      const [juliet] = await scene.people('juliet')
      const [one, two] = await scene.pair(juliet, 'balcony', 'chamber')
      one.write(`<message type='chat'><body>note</body></message>`)
      for (const device of [one, two]) expect((await device.message('note')).attrs).toMatchObject({ from: one.jid, to: juliet.jid })
      one.write(`<message type='groupchat' id='g'><body>note</body></message>`)
      expect(condition(await one.next((e) => e.attrs['id'] === 'g'))).toBe('cancel/service-unavailable')
    })

    test('a "from" is the server\'s to say: the own full or bare JID is replaced, any other refused (RFC 6120 §8.1.2.1)', async () => {
      const [juliet] = await scene.people('juliet')
      const [one, two] = await scene.pair(juliet, 'balcony', 'chamber')
      one.write(`<message from='${juliet.jid}' to='${two.jid}'><body>mine</body></message>`)
      expect((await two.message('mine')).attrs['from']).toBe(one.jid)
      one.write(`<message from='${romeo.jid}' to='${two.jid}'><body>forged</body></message>`)
      await one.gone()
      expect(one.streamError).toBe('invalid-from')
      await settled(two)
      expect(two.takeBodies()).toEqual([])
    })

    test('everything in a message arrives as it was, and upper case in "to" is the same account', async () => {
      const [juliet] = await scene.people('juliet')
      const [hers] = await place(juliet, { x: { node: 1, priority: 0 } }) as [TestClient]
      sender.write(`<message id='m' to='${juliet.user.toUpperCase()}@LOCALHOST' type='chat' xml:lang='it'>` +
        `<subject>S</subject><body>ciao</body><body xml:lang='en'>hello</body>` +
        `<thread parent='p'>t</thread><x xmlns='urn:example:x' a='1'><y/></x></message>`)
      const arrived = await hers.message('ciao')
      expect(arrived.attrs).toMatchObject({ id: 'm', 'type': 'chat', 'xml:lang': 'it' })
      expect(arrived.getChildElements().map(String)).toEqual(['<subject>S</subject>', '<body>ciao</body>',
        '<body xml:lang="en">hello</body>', '<thread parent="p">t</thread>', '<x xmlns="urn:example:x" a="1"><y/></x>'])
    })

    test('resources are any text, and tell upper from lower case (RFC 7622 §3.4)', async () => {
      const [juliet] = await scene.people('juliet')
      const names = ['Balkon über Verona 💕', 'балкон', 'phone', 'Phone', 'a@b/c']
      const clients = await Promise.all(names.map((name, i) => scene.device(juliet, i % 2, name)))
      for (const client of clients) {
        const name = names[clients.indexOf(client)]
        expect(client.jid).toBe(`${juliet.jid}/${name}`)
        sender.write(`<message to='${juliet.jid}/${name}' type='headline'><body>only ${name}</body></message>`)
      }
      await settled(sender, ...clients)
      for (const client of clients) expect(client.takeBodies()).toEqual([`only ${names[clients.indexOf(client)]}`])
    })

    test('a malformed address is jid-malformed; an unserved domain is not found (RFC 6120 §8.3.3.8, §10.4)', async () => {
      for (const [to, expected] of [['@localhost', 'modify/jid-malformed'], ['far.example', 'cancel/remote-server-not-found']] as const) {
        sender.write(`<message to='${to}' id='m'><body>x</body></message>`)
        expect(condition(await sender.next((e) => e.attrs['id'] === 'm'))).toBe(expected)
        expect(condition(await sender.iq('get', to, `<ping xmlns='urn:xmpp:ping'/>`))).toBe(expected)
      }
    })

    test('§10.5.1: a message for the domain itself is answered with an error, one of type error by nothing', async () => {
      sender.write(`<message to='localhost' id='m'><body>x</body></message>`)
      expect(condition(await sender.next((e) => e.attrs['id'] === 'm'))).toBe('cancel/service-unavailable')
      sender.write(`<message to='localhost' type='error'>${error}</message>`)
      await settled(sender)
      expect(got(sender)).toEqual([])
    })
  })

  describe('XEP-0160 and XEP-0203', () => {
    test('what waited comes first and in order, to one device only, stamped by the server; bodiless typing does not wait', async () => {
      const [juliet] = await scene.people('juliet')
      sender.write(`<message to='${juliet.jid}' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>`)
      const forged = `<delay xmlns='${NS_DELAY}' from='localhost' stamp='2001-01-01T00:00:00Z'/>`
      sender.write(`<message to='${juliet.jid}' type='chat'><body>1</body>${forged}</message>`)
      sender.write(`<message to='${juliet.jid}/gone' type='chat'><body>2</body></message>`)
      sender.write(`<message to='${juliet.jid}' id='n'><subject>3</subject><body>3</body></message>`)
      await scene.cluster.accounts.stored(juliet.user, 'localhost', 3)
      const negative = await scene.device(juliet, 0, 'negative', { presence: '<priority>-1</priority>', keep: true })
      await settled(negative)
      expect(negative.takeBodies()).toEqual([])
      const chamber = await scene.device(juliet, 1, 'chamber', { keep: true })
      const last = await chamber.message('3')
      for (const e of [...chamber.inbox.filter((e) => e.is('message')), last]) {
        const delays = e.getChildren('delay', NS_DELAY)
        expect(delays.map((delay) => delay.attrs['from'])).toEqual(['localhost'])
        expect(delays[0]?.attrs['stamp']).toMatch(STAMP)
        expect(delays[0]?.attrs['stamp'] > '2020').toBe(true)
        expect(e.attrs['from']).toBe(sender.jid)
      }
      expect(last.attrs).toMatchObject({ id: 'n', to: juliet.jid })
      expect(chamber.takeBodies()).toEqual(['1', '2'])
      await scene.cluster.accounts.stored(juliet.user, 'localhost', 0)
      const later = await scene.device(juliet, 0, 'later', { keep: true })
      await settled(later, negative, chamber)
      expect([later, negative, chamber].flatMap((client) => client.takeBodies())).toEqual([])
    })

    test('a priority that rises from negative brings them too', async () => {
      const [juliet] = await scene.people('juliet')
      const hers = await scene.device(juliet, 1, 'chamber', { presence: '<priority>-1</priority>' })
      sender.write(`<message to='${juliet.jid}'><body>wait</body></message>`)
      await scene.cluster.accounts.stored(juliet.user, 'localhost', 1)
      hers.write('<presence><priority>1</priority></presence>')
      await hers.message('wait')
    })
  })

  describe('IQs (RFC 6120 §8.2.3, §10.3.3; RFC 6121 §8.5)', () => {
    const any = `<query xmlns='urn:example:any'/>`

    test('for a bare JID are answered by the server and never shown to a device (§8.5.2.1.3)', async () => {
      const [juliet] = await scene.people('juliet')
      const hers = await scene.pair(juliet, 'balcony', 'chamber')
      for (const to of [juliet.jid, 'nobody-of-ours@localhost', romeo.jid, 'localhost', 'localhost/x', '']) {
        const answer = await sender.iq('get', to, any)
        expect(condition(answer)).toBe('cancel/service-unavailable')
        if (to !== '') expect(answer.attrs['from']).toBe(to)
        expect(answer.attrs['to']).toBe(sender.jid)
      }
      await settled(sender, ...hers)
      for (const device of hers) expect(got(device)).toEqual([])
    })

    test('the server answers for itself and for the account: own bare JID, none, domain', async () => {
      for (const to of ['', 'localhost', romeo.jid]) {
        expect(condition(await sender.iq('get', to, `<ping xmlns='urn:xmpp:ping'/>`))).toBe('result')
        expect(condition(await sender.iq('get', to, `<query xmlns='http://jabber.org/protocol/disco#info'/>`))).toBe('result')
      }
    })

    test('between strangers\' devices they look like ones to nobody; answers pass (§8.5.3.1)', async () => {
      const [juliet] = await scene.people('juliet')
      const hers = await scene.device(juliet, 1, 'chamber')
      const refusals: Element[] = []
      for (const to of [hers.jid, `${juliet.jid}/none`, 'nobody-of-ours@localhost/none']) refusals.push(await sender.iq('get', to, any))
      expect(refusals.map((e) => e.getChild('error')?.toString())).toEqual(Array(3).fill(refusals[0]?.getChild('error')?.toString()))
      expect(refusals.map(condition)).toEqual(Array(3).fill('cancel/service-unavailable'))
      sender.write(`<iq type='result' id='r' to='${hers.jid}'/>`)
      sender.write(`<iq type='error' id='e' to='${hers.jid}'>${error}</iq>`)
      await settled(sender, hers)
      expect(hers.inbox.splice(0).map((e) => e.attrs['id'])).toEqual(['r', 'e'])
    })

    test('a subscription or directed presence opens the way, in that direction, until it ends', async () => {
      const [tybalt, juliet] = await scene.people('tybalt', 'juliet')
      await scene.subscribe(tybalt, juliet)             // he may see her
      const his = await scene.device(tybalt, 0, 'street')
      const hers = await scene.device(juliet, 1, 'chamber')
      await answers(his, hers)
      expect(condition(await hers.iq('get', his.jid, any))).toBe('cancel/service-unavailable')
      his.write(`<presence to='${hers.jid}'/>`)
      await hers.next((e) => e.attrs['from'] === his.jid && e.attrs['to'] === hers.jid)
      await answers(hers, his)
      his.write(`<presence to='${hers.jid}' type='unavailable'/>`)
      await hers.presence(his.jid, 'unavailable')
      expect(condition(await hers.iq('get', his.jid, any))).toBe('cancel/service-unavailable')
    })

    async function answers(asking: TestClient, asked: TestClient): Promise<void> {
      const answer = asking.iq('get', asked.jid, any)
      const request = await asked.next((e) => e.is('iq') && e.attrs['type'] === 'get')
      asked.write(`<iq type='result' id='${request.attrs['id']}' to='${request.attrs['from']}'/>`)
      expect(condition(await answer)).toBe('result')
    }

    test('own devices ask each other, on any node; one that is not there is service-unavailable', async () => {
      const [juliet] = await scene.people('juliet')
      const [one, two] = await scene.pair(juliet, 'balcony', 'chamber')
      await answers(one, two)
      await answers(two, one)
      expect(condition(await one.iq('get', `${juliet.jid}/none`, any))).toBe('cancel/service-unavailable')
    })

    test('without a type that exists, with no or with two children, they are bad requests; stray answers vanish (§8.2.3)', async () => {
      for (const [type, inside] of [['fetch', any], ['get', ''], ['set', any + any]] as const) {
        sender.write(`<iq id='q' type='${type}' to='localhost'>${inside}</iq>`)
        expect(condition(await sender.next((e) => e.attrs['id'] === 'q'))).toBe('modify/bad-request')
      }
      for (const to of [romeo.jid, 'localhost', 'nobody-of-ours@localhost', 'nobody-of-ours@localhost/x']) {
        sender.write(`<iq id='q' type='result' to='${to}'/><iq id='q' type='error' to='${to}'>${error}</iq>`)
      }
      await settled(sender)
      expect(got(sender)).toEqual([])
    })
  })
})

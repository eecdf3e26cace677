/** What the server does for people beside messages, asked by a client on the other node than the owner's. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { freshDatabase } from '../databases.js'
import { befriend, Cluster } from '../support/cluster.js'
import { TestClient } from '../support/client.js'
import { until } from '../support/until.js'

const INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
const LAST = "<query xmlns='jabber:iq:last'/>"
const condition = (answer: { getChild(name: string): { getChildElements(): { name: string }[] } | undefined }): string | undefined =>
  answer.getChild('error')?.getChildElements()[0]?.name

describe('two nodes serve as one', () => {
  let cluster: Cluster
  let romeo: TestClient
  let juliet: TestClient

  beforeAll(async () => {
    cluster = await Cluster.of({ nodes: 2, database: await freshDatabase('sqlite'), accounts: ['romeo', 'juliet', 'nurse', 'paris'] })
    romeo = await cluster.login(0, 'romeo', { resource: 'balcony' })
    juliet = await cluster.login(1, 'juliet', { resource: 'chamber', tls: 'starttls' })
    await befriend(romeo, juliet)
  }, 60_000)
  afterAll(() => cluster.end())

  test('both nodes say the same of the server, and tell its hash with the features (XEP-0030, XEP-0115)', async () => {
    const [here, there] = await Promise.all([romeo, juliet].map((client) => client.iq('get', 'localhost', INFO)))
    const features = here?.getChild('query')?.getChildElements().map((child) => child.attrs['var'] as string) ?? []
    const some = ['vcard-temp', 'jabber:iq:private', 'jabber:iq:register', 'jabber:iq:last', 'urn:xmpp:time']
    expect(features).toEqual(expect.arrayContaining(some))
    expect(there?.getChild('query')?.toString()).toBe(here?.getChild('query')?.toString())
    const fresh = await TestClient.open(cluster.node(1).ports.c2s)
    await fresh.openStream('localhost')
    await fresh.authenticate({ port: 0, user: 'nurse' })
    const caps = (await fresh.openStream('localhost')).getChild('c', 'http://jabber.org/protocol/caps')?.attrs
    await fresh.close()
    const node = `${caps?.['node']}#${caps?.['ver']}`
    const told = await romeo.iq('get', 'localhost', INFO.replace('/>', ` node='${node}'/>`))
    expect(told.getChild('query')?.getChildElements().map(String)).toEqual(here?.getChild('query')?.getChildElements().map(String))
  })

  test('an account on the other node is discovered by a contact only (XEP-0030 §8)', async () => {
    expect((await romeo.iq('get', 'juliet@localhost', INFO)).toString()).toContain('registered')
    expect(condition(await romeo.iq('get', 'nurse@localhost', INFO))).toBe('service-unavailable')
  })

  test('a vCard set at one node is read at the other (XEP-0054)', async () => {
    const card = (name: string): string => `<vCard xmlns='vcard-temp'><FN>${name}</FN></vCard>`
    for (const name of ['Juliet', 'Juliet Capulet']) {
      await juliet.iq('set', '', card(name))
      expect((await romeo.iq('get', 'juliet@localhost', "<vCard xmlns='vcard-temp'/>")).getChild('vCard')?.getChildText('FN')).toBe(name)
    }
  })

  test('what one device keeps, another device on the other node gets (XEP-0049)', async () => {
    const desk = await cluster.login(1, 'romeo', { resource: 'desk' })
    for (const text of ['one', 'two']) {
      await romeo.iq('set', '', `<query xmlns='jabber:iq:private'><n xmlns='my:notes'>${text}</n></query>`)
      const answer = await desk.iq('get', '', "<query xmlns='jabber:iq:private'><n xmlns='my:notes'/></query>")
      expect(answer.getChild('query')?.getChildText('n')).toBe(text)
    }
    const hers = await juliet.iq('get', 'romeo@localhost', "<query xmlns='jabber:iq:private'><n xmlns='my:notes'/></query>")
    expect(condition(hers)).toBe('forbidden')
    await desk.close()
  })

  test('version, time and uptime of the server at both nodes (XEP-0092, XEP-0202, XEP-0012)', async () => {
    for (const client of [romeo, juliet]) {
      const version = await client.iq('get', 'localhost', "<query xmlns='jabber:iq:version'/>")
      expect(version.getChild('query')?.getChildText('name')).toBe('Starling')
      const time = await client.iq('get', 'localhost', "<time xmlns='urn:xmpp:time'/>")
      expect(Date.parse(time.getChild('time')?.getChildText('utc') ?? '')).toBeGreaterThan(0)
      expect(Number((await client.iq('get', 'localhost', LAST)).getChild('query')?.attrs['seconds'])).toBeGreaterThanOrEqual(0)
    }
  })

  test('last activity crosses nodes: available, gone with a word (XEP-0012)', async () => {
    const last = async (): Promise<string> => String((await romeo.iq('get', 'juliet@localhost', LAST)).getChild('query')?.attrs['seconds'])
    const text = async (): Promise<string | undefined> => (await romeo.iq('get', 'juliet@localhost', LAST)).getChild('query')?.text()
    // The other node hears of it within a second.
    await until('she is there', async () => await last() === '0')
    expect(condition(await romeo.iq('get', 'nurse@localhost', LAST))).toBe('forbidden')
    juliet.write("<presence type='unavailable'><status>asleep</status></presence>")
    await until('she has said why she went', async () => await text() === 'asleep')
    await juliet.becomeAvailable()
    await until('she is back', async () => await text() === '')
    expect(await last()).toBe('0')
  })

  test('a password changed at one node is the one at the other (XEP-0077 §3.3)', async () => {
    const change = "<query xmlns='jabber:iq:register'><username>juliet</username><password>new &amp; better</password></query>"
    const other = await cluster.login(0, 'juliet', { resource: 'other' })
    expect((await juliet.iq('set', 'localhost', change)).attrs['type']).toBe('result')
    await other.gone()
    expect(other.streamError).toBe('reset')
    await expect(cluster.login(0, 'juliet', { resource: 'old' })).rejects.toThrow()
    const again = await cluster.login(0, 'juliet', { resource: 'new', password: 'new & better' })
    await again.close()
  })

  test('an account removed at one node is gone at the other, answer first (XEP-0077 §3.2)', async () => {
    const [here, there] = [await cluster.login(0, 'paris', { resource: 'a' }), await cluster.login(1, 'paris', { resource: 'b' })]
    const form = (fields: Record<string, string>): string => "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>" +
      `${Object.entries(fields).map(([name, value]) => `<field var='${name}'><value>${value}</value></field>`).join('')}</x></query>`
    const asked = await here.iq('set', '', "<query xmlns='jabber:iq:register'><remove/></query>")
    expect(asked.getChild('query')?.getChild('x')?.attrs['type']).toBe('form')
    const sure = { FORM_TYPE: 'jabber:iq:register:cancel', username: 'paris', password: 'secret' }
    expect((await here.iq('set', '', form(sure))).attrs['type']).toBe('result')
    await Promise.all([here.gone(), there.gone()])
    expect([here.streamError, there.streamError]).toEqual(['not-authorized', 'not-authorized'])
    await expect(cluster.login(1, 'paris')).rejects.toThrow()
  })

  test('who leaves with a node that stops is away, and nobody is told of a device that is gone (XEP-0012 §3)', async () => {
    expect((await romeo.iq('get', 'juliet@localhost', LAST)).getChild('query')?.attrs['seconds']).toBe('0')
    const stopped = cluster.node(1).stop()
    await romeo.presence(juliet.jid, 'unavailable')
    expect(await stopped).toBe(0)
    expect((await romeo.iq('get', 'juliet@localhost', LAST)).attrs['type']).toBe('result')
    expect(cluster.node(1).events('node.stopped')).toHaveLength(1)
  })

  test('nothing of all this was a fault of the program', () => {
    for (const node of cluster.nodes) {
      expect([...node.events('plugin.failed'), ...node.events('storage.refused'), ...node.events('device.farewell-failed')]).toEqual([])
    }
  })
})

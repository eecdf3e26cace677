/**
 * Attacks on a whole node that no row of the corpus tells: identities that change with a stream's restart, requests that
 * two HTTP parsers would read differently, paths that try to get behind, names of JavaScript, and what is written down.
 * `docs/security.md` says what each proves.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Form } from '../hostile/corpus/row.js'
import { SE } from '../hostile/corpus/row.js'
import { replied } from '../hostile/runner.js'
import { authenticate as logIn, DOMAIN, OTHER_DOMAIN, scram, Stage } from '../hostile/stage.js'
import { HandBosh } from '../hostile/wire-http.js'
import { TestClient } from '../support/client.js'
import { authenticate, base64, FAST, hashedToken, plain, userAgent } from '../support/sasl2.js'
import { ByteClient } from '../transport/tcp-client.js'

/** Each is unlike anything else, so that it is found wherever it stands. */
const CLUSTER_SECRET = 'cluster-Qh3vR8xLw0aPz5Ty7Km2'
const CAROL = 'carol-Vw6nB1sXd4eUj9Go'
const CAROL_NEW = 'carol-Zt0cM5yHf8iRk3Ql'
const GUESS = 'guess-Nb7uE2pAx6vSd1Wj'
const WORDS = 'words-Lr4gT9oCk2mYq8Hz'

let stage: Stage

beforeAll(async () => {
  stage = await Stage.set({
    nodes: 1, accounts: ['alice', '__proto__', 'constructor'],
    lines: ['--log-level=trace', `--cluster-secret=${CLUSTER_SECRET}`, '--vhost-register-enabled=true']
  })
  await stage.cluster.accounts.add('carol', DOMAIN, CAROL)
}, 60_000)
afterAll(async () => {
  ByteClient.cutAll()
  await stage.clear()
})

describe('a stream that begins anew keeps its identity (RFC 6120 §4.9.3.12, §4.9.3.9)', () => {
  const forms: readonly Form[] = ['tcp', 'tls', 'websocket', 'bosh']

  test.each(forms)('over %s: at another served domain not-authorized, as somebody else invalid-from', async (form) => {
    for (const [attrs, condition] of [
      [{ to: OTHER_DOMAIN }, 'not-authorized'], [{ to: DOMAIN, from: `bob@${DOMAIN}` }, 'invalid-from']
    ] as const) {
      const { wire } = await stage.reach(form, 'PRE')
      await logIn(wire, 'alice')
      wire.header(attrs)
      await replied(SE(condition), { wire, jid: '' })
      wire.cut()
    }
    await stage.others()
  })
})

/** The status of each answer until the connection ends. */
async function rawHttp(port: number, text: string): Promise<readonly number[]> {
  const client = await ByteClient.connect(port)
  client.write(text)
  const heard = await client.untilEnd()
  return [...heard.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status))
}

describe('requests that two parsers would read differently (RFC 9112 §6.1, §6.3, §11.2)', () => {
  const hidden = 'GET /healthz HTTP/1.1\r\nHost: im.test\r\nConnection: close\r\n\r\n'
  const framed = (...lines: readonly string[]): string => ['POST /http-bind HTTP/1.1', 'Host: im.test', ...lines, '', ''].join('\r\n')

  test.each([
    ['a length and chunks', `${framed(`Content-Length: ${hidden.length + 5}`, 'Transfer-Encoding: chunked')}0\r\n\r\n${hidden}`],
    ['two lengths', framed('Content-Length: 0', `Content-Length: ${hidden.length}`) + hidden],
    ['two lengths in one line', framed(`Content-Length: 0, ${hidden.length}`) + hidden],
    ['a length with a sign', framed(`Content-Length: +${hidden.length}`) + hidden],
    ['a transfer coding after chunked', `${framed('Transfer-Encoding: chunked, identity')}0\r\n\r\n${hidden}`],
    ['a blank before the colon', framed('Transfer-Encoding : chunked', 'Content-Length: 0') + hidden],
    ['a line that is folded', framed('X: a', ' Transfer-Encoding: chunked', 'Content-Length: 0') + hidden],
    ['a bare line feed', framed('X: a\nContent-Length: 5') + hidden],
    ['a carriage return in a value', framed('X: a\rTransfer-Encoding: chunked', 'Content-Length: 0') + hidden],
    ['a NUL in a value', framed('X: a\0b', 'Content-Length: 0') + hidden],
    ['a chunk size that is none', `${framed('Transfer-Encoding: chunked')}0x10\r\n${hidden}`]
  ])('%s: one refusal, and what is hidden behind is not answered', async (_what, text) => {
    for (const port of [stage.node.ports.http, stage.node.ports.admin]) {
      const statuses = await rawHttp(port, text)
      expect(statuses).not.toContain(200)
      expect(statuses.length).toBeLessThanOrEqual(1)
    }
  })
})

describe('paths', () => {
  const dots = ['..', '%2e%2e', '%2E%2E', '.%2e', '%252e%252e', '%u002e%u002e', '%c0%ae%c0%ae', '..;', '..%00', '..\\']
  const slashes = ['/', '%2f', '//', '/./']
  const targets = ['metrics', 'cluster', 'sessions']
  const paths = ['/http-bind', '/xmpp-websocket', '/.well-known', '/healthz'].flatMap((prefix) =>
    dots.flatMap((dot) => slashes.map((slash, n) => `${prefix}${slash}${dot}${slash}${targets[n % targets.length]}`)))

  test('160 ways around a prefix, and the admin pages by their names, lead nowhere on the ports of clients', async () => {
    expect(paths).toHaveLength(160)
    for (const path of [...paths, ...targets.map((target) => `/${target}`), 'http://127.0.0.1/cluster', '*']) {
      const [status = 0] = await rawHttp(stage.node.ports.http, `GET ${path} HTTP/1.1\r\nHost: im.test\r\nConnection: close\r\n\r\n`)
      expect([path, [400, 404].includes(status)]).toEqual([path, true])
    }
  }, 60_000)
})

describe('names of JavaScript are names like any other', () => {
  test.each(['__proto__', 'constructor'])('%s as user, resource, group, contact, node and header', async (name) => {
    const client = await stage.cluster.login(0, name, { domain: DOMAIN, resource: name })
    expect(client.jid).toBe(`${name}@${DOMAIN}/${name}`)
    const item = `<item jid='toString@${DOMAIN}' name='${name}'><group>${name}</group><group>hasOwnProperty</group></item>`
    expect((await client.iq('set', '', `<query xmlns='jabber:iq:roster'>${item}</query>`)).attrs['type']).toBe('result')
    const roster = await client.iq('get', '', "<query xmlns='jabber:iq:roster'/>")
    expect(roster.getChild('query')?.getChildren('item').map((e) => [e.attrs['jid'], e.attrs['name'], e.getChildren('group')
      .map((g) => g.text()).sort()])).toEqual([[`tostring@${DOMAIN}`, name, [name, 'hasOwnProperty'].sort()]])
    const asked = await client.iq('get', DOMAIN, `<query xmlns='http://jabber.org/protocol/disco#info' node='${name}'/>`)
    expect(asked.getChild('error')?.getChild('item-not-found')).toBeDefined()
    expect(await rawHttp(stage.node.ports.http,
      `GET /healthz HTTP/1.1\r\nHost: im.test\r\n${name}: x\r\nConnection: close\r\n\r\n`)).toEqual([200])
    await client.close()
    await stage.others()
  })
})

describe('what is written down', () => {
  const secrets = new Map([['cluster secret', CLUSTER_SECRET], ['password', CAROL], ['new password', CAROL_NEW], ['guess', GUESS],
    ['what people say', WORDS]])
  const said = (what: string, text: string): string => {
    secrets.set(what, text)
    return text
  }

  async function oldLogins(): Promise<void> {
    for (const [user, password] of [['carol', CAROL], ['carol', GUESS], ['x\n2026-01-01 ERROR fake \u001b[31m', GUESS]] as const) {
      const client = await TestClient.open(stage.node.ports.c2sTls, '127.0.0.1', 'direct')
      await client.openStream(DOMAIN)
      client.write(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${
        said(`PLAIN of ${user} and ${password}`, base64(`\0${user}\0${password}`))}</auth>`)
      await client.next((e) => e.is(password === CAROL ? 'success' : 'failure'))
      client.socket.destroy()
    }
    const wire = await stage.open('tls')
    wire.header({ to: DOMAIN })
    await scram(wire, 'carol', { password: CAROL, final: (bare, proof) => `${bare},p=${proof === '' ? '' : said('proof', proof)}` })
    wire.cut()
    const broken = await ByteClient.connect(stage.node.ports.c2s)
    broken.write(`<stream:stream to='${DOMAIN}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`
      + `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${GUESS}</auth ${GUESS}='&${GUESS};'>`)
    await broken.untilEnd()
  }

  async function tokens(): Promise<void> {
    const client = await TestClient.open(stage.node.ports.c2sTls, '127.0.0.1', 'direct')
    await client.openStream(DOMAIN)
    client.write(authenticate('PLAIN', plain('carol', CAROL), `${userAgent()}<request-token xmlns='${FAST}' mechanism='HT-SHA-256-NONE'/>`))
    const success = await client.next((e) => e.is('success'))
    const token = said('token', String(success.getChild('token', FAST)?.attrs['token']))
    client.socket.destroy()
    const again = await TestClient.open(stage.node.ports.c2sTls, '127.0.0.1', 'direct')
    await again.openStream(DOMAIN)
    again.write(authenticate('HT-SHA-256-NONE', said('proof of the token', hashedToken('carol', token).first),
      `${userAgent()}<fast xmlns='${FAST}'/>`))
    await again.next((e) => e.is('success'))
    again.socket.destroy()
  }

  async function session(): Promise<void> {
    const client = await stage.cluster.login(0, 'carol', { domain: DOMAIN, password: CAROL, tls: 'direct', resource: 'r' })
    client.write("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    const enabled = await client.next((e) => e.is('enabled'))
    said('id of a session', String(enabled.attrs['id']).split('-')[0] ?? '')
    client.write(`<message to='${stage.bob.jid}' type='chat'><body>${WORDS}</body></message>`)
    await stage.bob.message(WORDS)
    client.write(`<message to='a@b@${WORDS}'><body>${WORDS}</body></message>`)
    const account = (password: string): string =>
      `<query xmlns='jabber:iq:register'><username>carol</username><password>${password}</password></query>`
    expect((await client.iq('set', '', account(CAROL_NEW))).attrs['type']).toBe('result')
    expect((await client.iq('set', '', account(GUESS).replace('carol', 'bob'))).attrs['type']).toBe('error')
    client.socket.destroy()
    const bosh = new HandBosh({ port: stage.node.ports.http, localAddress: '127.0.0.1' })
    await bosh.ask(` to='${DOMAIN}' ver='1.6' wait='1' hold='1' xmpp:version='1.0'`)
    said('id of a BOSH session', String(/sid=["']([^"']+)/.exec(bosh.inbox.text)?.[1] ?? bosh.sid))
    bosh.close()
  }

  async function registers(): Promise<void> {
    const client = await TestClient.open(stage.node.ports.c2sTls, '127.0.0.1', 'direct')
    await client.openStream(DOMAIN)
    await client.iq('set', DOMAIN, `<query xmlns='jabber:iq:register'><username>bob</username><password>${GUESS}</password></query>`)
    client.socket.destroy()
  }

  const pages = async (): Promise<string> => (await Promise.all(['metrics', 'cluster', 'sessions'].map(async (path) =>
    (await fetch(`http://127.0.0.1:${stage.node.ports.admin}/${path}`)).text()))).join('\n')

  const found = (text: string): string[] => [...secrets].filter(([, secret]) => text.includes(secret)).map(([what]) => what)
  /** It opens nothing without a login to its account (XEP-0198 §10): operators see it, and messages are stored under it. */
  const OPEN = ['id of a session']

  test('no password, proof, token or word of a message stands in the log at its finest or on the admin pages',
    async () => {
    await oldLogins()
    await tokens()
    await session()
    await registers()
    await stage.others()
    expect([...secrets].filter(([, secret]) => secret.length < 12)).toEqual([])
    expect(secrets.size).toBeGreaterThanOrEqual(12)
    expect(found(stage.node.output)).toEqual([])
    expect(found(await pages())).toEqual(OPEN)
    expect(stage.node.output).toContain('"auth.failed"')
    expect(stage.node.output.split('\n').filter((line) => line.startsWith('2026-01-01'))).toEqual([])
    expect(stage.node.output).not.toContain('\u001b')
  }, 60_000)

  test('nor in the database, whose passwords are keys and whose tokens are numbers of rows', () => {
    const folder = dirname(stage.cluster.database.jdbc.replace(/^jdbc:sqlite:/, '').replace(/\?.*$/, ''))
    const files = readdirSync(folder).filter((name) => /\.(db|sqlite)/.test(name))
    expect(files).not.toEqual([])
    const stored = files.map((name) => readFileSync(join(folder, name), 'latin1')).join('\n')
    expect(stored).toContain('carol')
    expect(found(stored).filter((what) => !OPEN.includes(what))).toEqual([])
  })
})

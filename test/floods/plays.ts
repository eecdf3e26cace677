/**
 * Floods, one after the other, against one node with limits: what each is refused with, that the honest ones are served, that
 * memory and descriptors come back, and that the log counts instead of repeating. `size` is 1 in the short tier.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { request } from 'node:http'
import { connect as connectTls } from 'node:tls'
import { WebSocket } from 'ws'
import { DOMAIN } from '../hostile/stage.js'
import { HEADER, settled, Siege, Stranger } from './siege.js'

const KIB = 1024
const LIMITS = [
  '--c2s-header-timeout-ms=3000', '--tls-handshake-timeout-ms=2000', '--c2s-auth-timeout=20', '--sasl-failure-delay=0', '--vhost-tls-required=false',
  '--sasl-plain-without-tls=true'
]
const PEOPLE = ['alice', 'carol', 'dave', 'erin', 'frank', 'gina']
const range = (count: number): readonly number[] => [...Array(count).keys()]
const pause = (ms: number): Promise<void> => new Promise((done) => { setTimeout(done, ms) })

export function floods(size: number): void {
  let siege: Siege
  let before: { memory: number, descriptors: number }
  beforeAll(async () => {
    siege = await Siege.lay({ lines: LIMITS, accounts: PEOPLE })
    await siege.stage.others()
    before = { memory: siege.memory, descriptors: siege.descriptors }
  }, 90_000)
  afterAll(async () => { await siege.stage.clear() }, 60_000)

  const crowd = (address: string, count: number): readonly Stranger[] => range(count).map(() => Stranger.at(siege.port, address))
  const gone = async (all: readonly Stranger[]): Promise<void> => {
    for (const { socket } of all) socket.destroy()
    await Promise.all(all.map(({ over }) => over))
  }

  describe('connections', () => {
    test('of one address: a burst comes in, the others are refused without a byte; ten lines say so, one counts the rest', async () => {
      const mark = siege.mark
      const all = crowd(siege.address(), 300)
      await settled(() => all.filter(({ closed }) => !closed).length <= 64 && siege.lines('connection.refused', mark).length === 10, 2_500)
      expect(all.filter(({ closed }) => !closed).length).toBeGreaterThanOrEqual(50)       // not yet by the time for a header
      expect(all.every(({ text }) => text === '')).toBe(true)
      expect(siege.lines('connection.refused', mark)).toHaveLength(10)
      expect(new Set(siege.lines('connection.refused', mark).map(({ reason }) => reason))).toEqual(new Set(['address-rate']))
      await gone(all)
      await siege.calm(before)
    }, 60_000)

    test('that log in nowhere: each costs little, all are closed at their time, and what they took is given back', async () => {
      const count = size > 1 ? 5_000 : 500
      const all = range(count / 50).flatMap(() => crowd(siege.address(), 50))
      await settled(() => all.every(({ opened, closed }) => opened || closed))
      const perSocket = (siege.memory - before.memory) / count
      await siege.stage.others()
      // A full backlog drops the last step of a handshake: such a client learns only by writing that nobody has accepted it.
      for (const { socket } of all) if (socket.writable) socket.write(' ')
      await settled(() => all.every(({ closed }) => closed), 60_000)
      expect(perSocket).toBeLessThan(100 * KIB)
      await siege.calm(before)
    }, 120_000)

    test('that come and go', async () => {
      for (let round = 0; round < 10 * size; round++) await gone(crowd(siege.address(), 30))
      await siege.calm(before)
    }, 120_000)

    test('that send one byte a second have no more time than others', async () => {
      const all = range(20).map(() => Stranger.at(siege.port, siege.address()))
      const drip = setInterval(() => { for (const { socket } of all) if (socket.writable) socket.write('<') }, 1_000)
      await settled(() => all.every(({ closed }) => closed), 15_000).finally(() => { clearInterval(drip) })
      await siege.calm(before)
    }, 60_000)

    test('that begin TLS and fall silent are closed when the handshake has taken too long', async () => {
      const mark = siege.mark
      const all = range(40).map((n) => Stranger.at(siege.stage.node.ports.c2sTls, `127.2.0.${n + 1}`))
      const hello = Buffer.from('16030100330100002f0303', 'hex')       // the beginning of a ClientHello
      for (const { socket } of all) socket.write(hello)
      await settled(() => all.every(({ closed }) => closed) && siege.lines('connection.refused', mark).length > 0, 15_000)
      expect(new Set(siege.lines('connection.refused', mark).map(({ reason }) => reason))).toEqual(new Set(['tls-handshake']))
      await siege.calm(before)
    }, 60_000)
  })

  test('logins: so many at once are answered one way or the other, while the others are served', async () => {
    const count = size > 1 ? 500 : 60
    const mark = siege.mark
    const all = range(count).map((n) => Stranger.at(siege.port, `127.3.${n >> 3}.1`))
    const auth = Buffer.from('\0alice\0wrong').toString('base64')
    for (const { socket } of all) socket.write(`${HEADER}<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${auth}</auth>`)
    await siege.stage.others()
    await settled(() => all.every(({ text, closed }) => text.includes('<failure') || closed), 60_000)
    const conditions = new Set(all.map(({ text }) => /<failure[^>]*><([\w-]+)/.exec(text)?.[1]))
    for (const condition of conditions) expect(['not-authorized', 'temporary-auth-failure']).toContain(condition)
    expect(siege.lines('auth.failed', mark).length).toBeGreaterThan(0)
    await gone(all)
    await siege.calm(before)
  }, 90_000)

  describe('one who has logged in', () => {
    const bodies = (): number => siege.stage.bob.inbox.filter((stanza) => stanza.is('message')).length

    test('and sends too many stanzas is read more slowly, and all come in order', async () => {
      siege.stage.bob.takeBodies()
      const count = size > 1 ? 1_000 : 350
      const alice = await siege.login('alice', 'flood')
      const began = performance.now()
      alice.write(range(count).map((n) => `<message to='bob@${DOMAIN}/home'><body>${n}</body></message>`).join(''))
      await pause(1_500)
      expect(bodies()).toBeLessThan(200 + 50 * Math.ceil((performance.now() - began) / 1_000 + 1))
      await siege.stage.others()
      await settled(() => bodies() === count, 60_000)
      expect(siege.stage.bob.takeBodies()).toEqual(range(count).map(String))
      expect(performance.now() - began).toBeGreaterThan((count - 200) * 18)
      await alice.ping()
      alice.cut()
    }, 90_000)

    test('and sends too many bytes is read more slowly', async () => {
      siege.stage.bob.takeBodies()
      const carol = await siege.login('carol', 'flood')
      const began = performance.now()
      for (let n = 0; n < 40; n++) carol.write(`<message to='bob@${DOMAIN}/home'><body>${'x'.repeat(10_000)}</body></message>`)
      await settled(() => bodies() === 40, 60_000)
      expect(performance.now() - began).toBeGreaterThan(5_000)          // (400,000 - 256 KiB) at 20 KiB a second
      carol.cut()
    }, 90_000)

    test('and writes to too many strangers hears policy-violation and too-many-stanzas, and one line says so', async () => {
      const mark = siege.mark
      const dave = await siege.login('dave', 'flood')
      dave.write(range(45).map((n) => `<message to='stranger${n}@${DOMAIN}' id='s${n}'/>`).join(''))
      await dave.ping()
      const errors = dave.inbox.filter((stanza) => stanza.attrs['type'] === 'error').map((stanza) => stanza.toString())
      const refused = errors.filter((error) => error.includes('too-many-stanzas'))
      expect(refused).toHaveLength(15)
      for (const error of refused) expect(error).toMatch(/type="wait".*<policy-violation/)
      await settled(() => siege.lines('stanzas.too-many', mark).length > 0, 5_000)            // the log is written beside the work
      await dave.ping()
      expect(siege.lines('stanzas.too-many', mark)).toHaveLength(1)
      dave.cut()
    }, 60_000)

    test('and asks too many for a subscription hears the same', async () => {
      const erin = await siege.login('erin', 'flood')
      erin.write(range(25).map((n) => `<presence type='subscribe' to='other${n}@${DOMAIN}' id='p${n}'/>`).join(''))
      await erin.ping()
      expect(erin.inbox.filter((stanza) => stanza.toString().includes('too-many-stanzas'))).toHaveLength(5)
      erin.cut()
    }, 60_000)

    test('and changes presence all the time is read more slowly', async () => {
      const frank = await siege.login('frank', 'flood')
      const began = performance.now()
      frank.write(range(70).map((n) => `<presence><status>${n}</status></presence>`).join(''))
      await frank.ping()
      expect(performance.now() - began).toBeGreaterThan(3_000)          // 20 beyond the burst of 50 at five a second
      await siege.stage.others()
      frank.cut()
    }, 60_000)

    test('and comes back with all that he had sent (XEP-0198 §5): none is lost, none comes twice, in order', async () => {
      const count = size > 1 ? 1_000 : 450
      siege.stage.bob.takeBodies()
      const address = siege.address()
      const first = await siege.login('gina', 'flood', address)
      first.write("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
      const id = (await first.next((e) => e.is('enabled'))).attrs['id'] as string
      const all = range(count).map((n) => `<message to='bob@${DOMAIN}/home'><body>${n}</body></message>`)
      first.write(all.join(''))
      await settled(() => bodies() > 100)
      first.cut()
      const back = Stranger.at(siege.port, address)
      const plain = Buffer.from('\0gina\0secret').toString('base64')
      back.socket.write(`${HEADER}<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${plain}</auth>`)
      await back.until('<success')
      back.socket.write(`${HEADER}<resume xmlns='urn:xmpp:sm:3' previd='${id}' h='0'/>`)
      const h = Number(/<resumed [^>]*h='(\d+)'/.exec(await back.until('<resumed'))?.[1])
      back.socket.write(all.slice(h).join(''))
      await settled(() => bodies() >= count, 90_000)
      expect(siege.stage.bob.takeBodies()).toEqual(range(count).map(String))
      expect(back.closed).toBe(false)
      await gone([back])
    }, 120_000)
  })

  describe('HTTP', () => {
    const post = (body: Buffer, headers: Readonly<Record<string, string>> = {}): Promise<number> => new Promise((done) => {
      const sent = request({ host: '127.0.0.1', port: siege.stage.node.ports.http, path: '/http-bind', method: 'POST', headers },
        (answer) => { answer.resume(); done(answer.statusCode ?? 0) })
      sent.on('error', () => { done(0) })
      sent.end(body)
    })

    test('huge BOSH bodies are 413, compressed ones 415, and nothing of them stays', async () => {
      const big = Buffer.alloc(2_000_000, 0x20)
      const answers = await Promise.all(range(20 * size).map(() => post(big)))
      expect(answers.filter((status) => status !== 413)).toEqual([])
      expect(await post(Buffer.alloc(100), { 'content-encoding': 'gzip' })).toBe(415)
      await siege.calm(before)
    }, 60_000)

    test('a WebSocket message in too many fragments closes the connection; deflate is never agreed on', async () => {
      const ws = new WebSocket(`ws://127.0.0.1:${siege.stage.node.ports.http}/xmpp-websocket`, 'xmpp', { perMessageDeflate: true })
      await new Promise((done, failed) => { ws.once('open', done).once('error', failed) })
      expect(ws.extensions).toBe('')
      const closed = new Promise<number>((done) => { ws.once('close', (code) => { done(code) }) })
      for (let n = 0; n < 70; n++) ws.send('<', { fin: n === 69 })
      expect([1002, 1006, 1008, 1009]).toContain(await closed)
      await siege.calm(before)
    }, 60_000)
  })

  test('compression is not offered, and who asks nevertheless is refused (XEP-0138)', async () => {
    const one = Stranger.at(siege.port, siege.address())
    one.socket.write(HEADER)
    expect(await one.until('</stream:features>')).not.toContain('compress')
    one.socket.write("<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>")
    await one.until('<stream:error>')
    await one.over
    await siege.calm(before)
  }, 30_000)

  test('TLS again and again on one connection is refused', async () => {
    const tls = connectTls({ host: '127.0.0.1', port: siege.stage.node.ports.c2sTls, rejectUnauthorized: false, localAddress: siege.address() } as never)
    const one = new Stranger(tls)
    await new Promise((done) => { tls.once('secureConnect', done) })
    one.socket.write(`${HEADER}<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`)
    await one.until('<failure')
    await one.over
    await siege.calm(before)
  }, 30_000)
}

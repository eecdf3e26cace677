/**
 * Many bare XMPP clients in a process of their own, told by messages of the test what to do: log in, flood, read slowly
 * or not at all, ping as a canary. Plain JavaScript, because the tests' translator is not there in a child process.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { performance } from 'node:perf_hooks'
import { clearInterval, clearTimeout, setInterval } from 'node:timers'

const NS_SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
const NS_SM = 'urn:xmpp:sm:3'
const LOGIN_MS = 60_000
const HEADER = `<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' `
  + `xmlns:stream='http://etherx.jabber.org/streams'>`
/** A top-level element's start tag; none of the server's here holds another of its own name. */
const START = /<(stream:stream|stream:features|stream:error|message|presence|iq|challenge|success|failure|proceed|enabled|resumed|failed|a|r)\b([^>]*?)(\/?)>/g

const salted = new Map()
const clientKeys = (password, salt, iterations) => {
  const key = `${password} ${salt} ${iterations}`
  const known = salted.get(key)
  if (known !== undefined) return known
  const hash = pbkdf2Sync(password, Buffer.from(salt, 'base64'), iterations, 20, 'sha1')
  const client = createHmac('sha1', hash).update('Client Key').digest()
  const made = { client, stored: createHash('sha1').update(client).digest() }
  salted.set(key, made)
  return made
}

const attr = (attrs, name) => new RegExp(`\\b${name}=["']([^"']*)["']`).exec(attrs)?.[1]

class Client {
  constructor({ port, user, resource, host = '127.0.0.1', sm = false }) {
    Object.assign(this, { port, user, resource, host, sm, jid: `${user}@localhost/${resource}` })
    this.text = ''
    this.waiting = undefined
    this.pings = new Map()
    this.latencies = undefined
    this.reading = 'open'
    this.smId = undefined
    this.handled = 0
    this.counts = false
    this.closed = true
    this.why = ''
    this.canWrite = true
    this.drains = []
  }

  /** What the next element must be; anything else meanwhile is counted as usual. */
  next(wants) {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${this.jid}: no answer to a login`)), LOGIN_MS)
      this.waiting = {
        wants,
        resolve: (e) => { clearTimeout(late); resolve(e) },
        reject: (e) => { clearTimeout(late); reject(e) }
      }
    })
  }

  write(text) {
    if (this.closed) return false
    this.canWrite = this.socket.write(text)
    return this.canWrite
  }

  open() {
    this.write(HEADER)
    return this.next((e) => e.name === 'stream:features')
  }

  async login({ available = true, resume = false } = {}) {
    this.text = ''
    this.counts = false
    this.why = ''
    this.reading = 'open'
    this.socket = connect({ host: '127.0.0.1', port: this.port, localAddress: this.host, noDelay: true })
    this.socket.setEncoding('utf8')
    this.closed = false
    this.canWrite = true
    this.socket.on('data', (chunk) => this.data(chunk))
    this.socket.on('drain', () => { this.canWrite = true; for (const go of this.drains.splice(0)) go() })
    this.socket.on('error', (error) => { this.why ||= error.code ?? error.message })
    this.socket.on('close', () => this.over())
    await this.open()
    await this.scram()
    await this.open()
    if (resume && this.smId !== undefined) {
      this.write(`<resume xmlns='${NS_SM}' previd='${this.smId}' h='${this.handled}'/>`)
      const answer = await this.next((e) => e.name === 'resumed' || e.name === 'failed')
      if (answer.name === 'resumed') return 'resumed'
    }
    this.write(`<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>${this.resource}</resource></bind></iq>`)
    const bound = await this.next((e) => e.name === 'iq' && attr(e.attrs, 'id') === 'bind')
    if (attr(bound.attrs, 'type') !== 'result') throw new Error(`bind refused: ${bound.inside}`)
    if (this.sm) await this.enable()
    if (available) this.write('<presence/>')
    return 'bound'
  }

  async enable() {
    this.write(`<enable xmlns='${NS_SM}' resume='true'/>`)
    const enabled = await this.next((e) => e.name === 'enabled' || e.name === 'failed')
    this.smId = enabled.name === 'enabled' ? attr(enabled.attrs, 'id') : undefined
  }

  async scram() {
    const first = `n=${this.user},r=${randomBytes(12).toString('hex')}`
    this.write(`<auth xmlns='${NS_SASL}' mechanism='SCRAM-SHA-1'>${Buffer.from(`n,,${first}`).toString('base64')}</auth>`)
    const challenge = await this.next((e) => e.name === 'challenge' || e.name === 'failure')
    if (challenge.name === 'failure') throw new Error(`refused: ${challenge.inside}`)
    const said = Buffer.from(challenge.inside, 'base64').toString()
    const parts = new Map(said.split(',').map((part) => [part[0], part.slice(2)]))
    const { client, stored } = clientKeys('secret', parts.get('s'), Number(parts.get('i')))
    const bare = `c=biws,r=${parts.get('r')}`
    const signature = createHmac('sha1', stored).update(`${first},${said},${bare}`).digest()
    const proof = Buffer.from(client.map((byte, i) => byte ^ signature[i])).toString('base64')
    this.write(`<response xmlns='${NS_SASL}'>${Buffer.from(`${bare},p=${proof}`).toString('base64')}</response>`)
    const answer = await this.next((e) => e.name === 'success' || e.name === 'failure')
    if (answer.name === 'failure') throw new Error(`refused: ${answer.inside}`)
  }

  data(chunk) {
    this.text = this.text === '' ? chunk : this.text + chunk
    let at = 0
    for (;;) {
      START.lastIndex = at
      const start = START.exec(this.text)
      if (start === null) break
      const [whole, name, attrs, empty] = start
      const inner = start.index + whole.length
      if (empty === '/' || name === 'stream:stream') at = inner
      else {
        const end = this.text.indexOf(`</${name}>`, inner)
        if (end < 0) break
        at = end + name.length + 3
      }
      const inside = empty === '/' || name === 'stream:stream' ? '' : this.text.slice(inner, at - name.length - 3)
      this.element({ name, attrs, inside })
    }
    this.text = this.text.slice(at)
    if (typeof this.reading === 'number') this.throttle(chunk.length)
  }

  element(e) {
    // XEP-0198 §4: what comes between binding and this is not counted.
    if (e.name === 'enabled') this.handled = 0
    if (e.name === 'enabled' || e.name === 'resumed') this.counts = true
    if (this.counts && (e.name === 'message' || e.name === 'presence' || e.name === 'iq')) this.handled++
    if (e.name === 'r') this.write(`<a xmlns='${NS_SM}' h='${this.handled}'/>`)
    if (e.name === 'message') heard(this, e)
    else if (e.name === 'stream:error') this.why = /<([a-z-]+)/.exec(e.inside)?.[1] ?? 'stream-error'
    else if (e.name === 'iq') this.ponged(attr(e.attrs, 'id'))
    if (this.waiting?.wants(e) === true) {
      const { resolve } = this.waiting
      this.waiting = undefined
      resolve(e)
    }
  }

  ponged(id) {
    const sentAt = this.pings.get(id)
    if (sentAt === undefined) return
    this.pings.delete(id)
    this.latencies?.push(performance.now() - sentAt)
    this.onPong?.(id)
  }

  ping(to = '') {
    const id = `p${randomBytes(5).toString('hex')}`
    this.pings.set(id, performance.now())
    this.write(`<iq type='get' id='${id}'${to === '' ? '' : ` to='${to}'`}><ping xmlns='urn:xmpp:ping'/></iq>`)
    return id
  }

  /** A round trip; all that was said before has been taken up by the server. */
  async barrier(ms) {
    if (this.closed) return false
    const id = this.ping()
    const until = performance.now() + ms
    while (this.pings.has(id) && !this.closed && performance.now() < until) await pause(10)
    return !this.pings.has(id)
  }

  read(how) {
    this.reading = how
    if (how === 'paused') this.socket.pause()
    else this.socket.resume()
  }

  /** So many bytes a second: after each chunk a rest. */
  throttle(bytes) {
    this.socket.pause()
    setTimeout(() => { if (typeof this.reading === 'number') this.socket.resume() }, bytes / this.reading * 1000)
  }

  over() {
    this.closed = true
    const { waiting } = this
    this.waiting = undefined
    waiting?.reject(new Error(`closed ${this.why}`))
    for (const go of this.drains.splice(0)) go()
    closings.set(this.why || 'closed', (closings.get(this.why || 'closed') ?? 0) + 1)
  }
}

const pause = (ms) => new Promise((done) => { setTimeout(done, ms) })
const clients = new Map()
const closings = new Map()
/** By id: what became of a numbered message. */
const sent = new Map()
const tally = { sent: 0, arrived: 0, refused: 0, doubled: 0, disordered: 0, errors: {} }
const lastOf = new Map()
const arrivals = []

function heard(client, { attrs, inside }) {
  const id = attr(attrs, 'id')
  if (id === undefined) return
  const fate = sent.get(id)
  if (attr(attrs, 'type') === 'error') {
    const condition = /<([a-z-]+) xmlns=["']urn:ietf:params:xml:ns:xmpp-stanzas/.exec(inside)?.[1] ?? 'error'
    tally.errors[condition] = (tally.errors[condition] ?? 0) + 1
    if (fate?.refused === false) tally.refused++
    if (fate !== undefined) fate.refused = true
    return
  }
  if (fate === undefined) return
  if (fate.arrived) tally.doubled++
  else {
    tally.arrived++
    arrivals.push(performance.now() - fate.at)
    if (arrivals.length > 200_000) arrivals.splice(0, 100_000)
  }
  fate.arrived = true
  const way = `${fate.from} ${client.jid}`
  if (fate.n < (lastOf.get(way) ?? 0)) tally.disordered++
  lastOf.set(way, fate.n)
}

const at = (jid) => {
  const client = clients.get(jid)
  if (client === undefined) throw new Error(`there is no ${jid}`)
  return client
}

function percentiles(list) {
  const sorted = [...list].sort((a, b) => a - b)
  const of = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { n: sorted.length, p50: of(0.5), p99: of(0.99), max: sorted.at(-1) ?? 0 }
}

/** Numbers of all messages, so that their order can be told. */
let numbers = 0
let flooding = 0

/** Sends numbered messages, so many a second in all, as far as the sockets take them. */
async function flood({ from, to, perSecond, seconds, bytes }) {
  const padding = 'x'.repeat(bytes)
  const stopAt = performance.now() + seconds * 1000
  flooding++
  let n = 0
  let due = 0
  let last = performance.now()
  while (performance.now() < stopAt && flooding > 0) {
    await pause(5)
    const now = performance.now()
    due = Math.min(due + (now - last) / 1000 * perSecond, perSecond)
    last = now
    for (; due >= 1; due--) {
      const client = at(from[n % from.length])
      const target = to[n % to.length]
      n++
      if (client.closed || !client.canWrite) continue
      const id = `m${++numbers}`
      sent.set(id, { from: client.jid, n: numbers, at: now, arrived: false, refused: false })
      tally.sent++
      client.write(`<message type='chat' id='${id}' to='${target}'><body>${padding}</body></message>`)
    }
  }
  flooding--
  return n
}

const commands = {
  async login({ port, logins, atOnce = 50, overMs = 0, available = true, sm = false, resume = false }) {
    const queue = logins.map((seat, i) => ({ ...seat, startAt: performance.now() + i / logins.length * overMs }))
    const took = []
    const failures = {}
    const how = {}
    const work = async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        if (overMs > 0) await pause(Math.max(0, next.startAt - performance.now()))
        const jid = `${next.user}@localhost/${next.resource}`
        const client = clients.get(jid)?.closed === true ? clients.get(jid) : new Client({ port, sm, ...next })
        client.port = port
        clients.set(jid, client)
        const startedAt = performance.now()
        try {
          const result = await client.login({ available, resume })
          how[result] = (how[result] ?? 0) + 1
          took.push(performance.now() - startedAt)
        } catch (error) {
          client.socket?.destroy()
          const reason = error.message.replace(/^\S+@\S+ ?/, '').slice(0, 150)
          failures[reason] = (failures[reason] ?? 0) + 1
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(atOnce, logins.length) }, work))
    return { ...percentiles(took), failures, how }
  },
  flood,
  /** Strangers: a connection, a header, and gone. */
  async knock({ port, perSecond, seconds }) {
    const stopAt = performance.now() + seconds * 1000
    const failures = {}
    let answered = 0
    let n = 0
    for (const startedAt = performance.now(); performance.now() < stopAt; await pause(10)) {
      for (; n < (performance.now() - startedAt) / 1000 * perSecond; n++) {
        const socket = connect({ host: '127.0.0.1', port, noDelay: true })
        socket.on('connect', () => socket.write(HEADER))
        socket.on('data', () => { answered++; socket.destroy() })
        socket.on('error', (error) => { failures[error.code] = (failures[error.code] ?? 0) + 1 })
      }
    }
    for (let i = 0; i < 100 && answered < n; i++) await pause(50)
    return { knocked: n, answered, failures }
  },
  stop() { flooding = 0 },
  tally() {
    let open = 0
    for (const { arrived, refused } of sent.values()) if (!arrived && !refused) open++
    return { ...tally, open, latency: percentiles(arrivals), closings: Object.fromEntries(closings) }
  },
  read({ jids, how }) { for (const jid of jids) at(jid).read(how) },
  cut({ jids }) { for (const jid of jids) at(jid).socket.resetAndDestroy() },
  write({ jid, text }) { return at(jid).write(text) },
  async barrier({ jids, ms }) {
    const answered = await Promise.all(jids.map((jid) => at(jid).barrier(ms)))
    return answered.filter(Boolean).length
  },
  alive({ jids }) { return jids.filter((jid) => !at(jid).closed).length },
  canary({ jid, everyMs = 50, to = '' }) {
    const client = at(jid)
    client.latencies = []
    client.timer = setInterval(() => client.ping(to), everyMs)
  },
  /** Pings that are not answered count with their age. */
  canaryEnd({ jid, go = false }) {
    const client = at(jid)
    const now = performance.now()
    const ages = [...client.pings.values()].map((since) => now - since).filter((age) => age > 1000)
    const result = percentiles([...client.latencies, ...ages])
    client.latencies = []
    if (!go) clearInterval(client.timer)
    return { ...result, unanswered: ages.length }
  }
}

process.on('message', ({ id, command, args }) => {
  Promise.resolve().then(() => commands[command](args ?? {})).then(
    (result) => process.send({ id, result }),
    (error) => process.send({ id, error: error.message })
  )
})
process.on('disconnect', () => process.exit(0))
process.send({ id: 0 })

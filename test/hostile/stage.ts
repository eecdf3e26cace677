/**
 * Two real nodes on one database, and the honest people there: a canary on each node, and bob, to whom bad things are
 * addressed, on the second. Logs hostile connections in as far as a row wants.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:net'
import type { Element } from 'ltx'
import { freshDatabase } from '../databases.js'
import { TestClient } from '../support/client.js'
import { Cluster, type StrategyName } from '../support/cluster.js'
import type { TestDatabase } from '../support/database.js'
import type { LogLine, NodeProcess } from '../support/node-process.js'
import { freePorts } from '../support/ports.js'
import type { Form, State } from './corpus/row.js'
import { NS_SASL } from './inbox.js'
import { PINGS } from './pings.js'
import { openWire, type Wire } from './wire.js'

export const DOMAIN = 'im.test'
export const OTHER_DOMAIN = 'two.test'
export const NS_SM = 'urn:xmpp:sm:3'
export const PASSWORD = 'secret'
/** Ten times what is promised: two cores may run other tests at the same time. What was measured is printed. */
const PING_MS_MAX = 2_000

export interface StageSpec {
  readonly lines?: readonly string[]
  readonly accounts?: readonly string[]
  readonly nodes?: number
  readonly env?: NodeJS.ProcessEnv
  readonly database?: TestDatabase
  readonly strategy?: StrategyName
}

/** A hostile connection in the state that its row begins in. */
export interface Hostile {
  readonly wire: Wire
  /** Full address, bare while no resource is bound, '' before login. */
  readonly jid: string
}

export class Stage {
  readonly canaries: TestClient[] = []
  /** Answers that must be alike, by row and transport. */
  readonly heard = new Map<string, string>()
  #traps = 0
  #resources = 0
  #markers = 0
  #rawOfBob = ''

  private constructor(readonly cluster: Cluster, readonly bob: TestClient, readonly trap: { server: Server, port: number }) {}

  static async set({ lines = [], accounts = ['alice'], nodes = 2, env = {}, database, strategy = 'broadcast' }: StageSpec = {}):
  Promise<Stage> {
    const cluster = await Cluster.of({
      nodes, database: database ?? await freshDatabase('sqlite'), accounts: [], start: false, env, strategy,
      lines: [`--virt-hosts=${DOMAIN},${OTHER_DOMAIN}:tls-required`, '--sasl-failure-delay=0', ...lines]
    })
    for (const name of ['canary', 'bob', ...accounts]) await cluster.accounts.add(name, DOMAIN, PASSWORD)
    await Promise.all(cluster.nodes.map((node) => node.start()))
    const last = nodes - 1
    const bob = await cluster.login(last, 'bob', { domain: DOMAIN, resource: 'home' })
    const stage = new Stage(cluster, bob, await trapOf())
    for (let n = 0; n < nodes; n++) stage.canaries.push(await cluster.login(n, 'canary', { domain: DOMAIN, resource: `c${n}` }))
    // Else a ping after a message waits for the acknowledgement of that.
    for (const canary of stage.canaries) canary.socket.setNoDelay(true)
    bob.socket.on('data', (chunk: Buffer) => { stage.#rawOfBob += chunk.toString('utf8') })
    stage.trap.server.on('connection', (socket) => {
      stage.#traps++
      socket.destroy()
    })
    return stage
  }

  /** The node that hostile connections go to. */
  get node(): NodeProcess {
    return this.cluster.node(0)
  }

  get trapped(): number {
    return this.#traps
  }

  async clear(): Promise<void> {
    this.trap.server.close()
    await this.cluster.end()
  }

  open(form: Form): Promise<Wire> {
    return openWire(form, this.node.ports)
  }

  async reach(form: Form, state: State, user = 'alice'): Promise<Hostile> {
    const wire = await this.open(form)
    if (state === 'RAW') return { wire, jid: '' }
    await greet(wire)
    if (state === 'PRE') return { wire, jid: '' }
    await authenticate(wire, user)
    await greet(wire)
    if (state === 'AUTH') return { wire, jid: `${user}@${DOMAIN}` }
    const jid = await bindAndShow(wire, `r${++this.#resources}`)
    if (state === 'SM') await enable(wire)
    return { wire, jid }
  }

  /** Everybody else is served: the canaries' pings come back, from the node that is attacked and from the others. */
  async others(): Promise<void> {
    await Promise.all(this.canaries.map(async (canary, node) => {
      const asked = performance.now()
      await canary.ping()
      const took = performance.now() - asked
      PINGS.note(node, took)
      if (took > PING_MS_MAX) throw new Error(`${canary.jid} waited ${Math.round(took)} ms for a ping`)
    }))
  }

  /** The bytes of what `deliveredToBob` told last. */
  rawOfBob(): string {
    const raw = this.#rawOfBob
    this.#rawOfBob = ''
    return raw
  }

  /** What bob has been sent until now, as his parser read it. */
  async deliveredToBob(): Promise<readonly string[]> {
    const marker = `marker ${++this.#markers}`
    this.canaries[0]?.write(`<message to='${this.bob.jid}' type='chat'><body>${marker}</body></message>`)
    await this.bob.message(marker)
    return this.bob.inbox.splice(0).map(String)
  }

  /** Log lines of all nodes from a mark on. */
  mark(): () => readonly LogLine[] {
    const marks = this.cluster.nodes.map((node) => node.lines.length)
    return () => this.cluster.nodes.flatMap((node, i) => node.lines.slice(marks[i]))
  }
}

async function trapOf(): Promise<{ server: Server, port: number }> {
  const [port = 0] = await freePorts(1)
  const server = createServer()
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
  return { server, port }
}

export async function greet(wire: Wire, attrs: Readonly<Record<string, string>> = {}): Promise<Element> {
  wire.header({ to: DOMAIN, ...attrs })
  return wire.inbox.next((e) => e.getName() === 'features', 'features')
}

export const framed = (wire: Wire): string => (wire.form === 'websocket' || wire.form === 'bosh' ? " xmlns='jabber:client'" : '')

const say = (wire: Wire, text: string): void => wire.send(Buffer.from(text))

const salted = new Map<string, Buffer>()

function saltedPassword(password: string, salt: string, iterations: number): Buffer {
  const key = `${salt} ${password}`
  const known = salted.get(key) ?? pbkdf2Sync(password, Buffer.from(salt, 'base64'), iterations, 20, 'sha1')
  salted.set(key, known)
  return known
}

const hmac = (key: Buffer, data: string): Buffer => createHmac('sha1', key).update(data).digest()
const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** What a client says otherwise than it should. */
export interface ScramTwist {
  readonly password?: string
  /** Header of channel binding, and its data behind it in `c`. */
  readonly gs2?: string
  readonly binding?: Uint8Array
  readonly mechanism?: 'SCRAM-SHA-1' | 'SCRAM-SHA-1-PLUS'
  readonly first?: (bare: string) => string
  /** The whole last message, from its part without proof and the proof. */
  readonly final?: (bare: string, proof: string) => string
}

/** A login by SCRAM-SHA-1 up to its outcome; whatever comes instead is the answer too. */
export async function scram(wire: Wire, user: string, twist: ScramTwist = {}): Promise<Element> {
  const { gs2 = 'n,,', mechanism = 'SCRAM-SHA-1', first = (bare) => bare, final = (bare, proof) => `${bare},p=${proof}` } = twist
  const asked = first(`n=${user},r=${randomBytes(12).toString('hex')}`)
  say(wire, `<auth xmlns='${NS_SASL}' mechanism='${mechanism}'>${base64(`${gs2}${asked}`)}</auth>`)
  const challenge = await wire.inbox.next((e) => e.getNS() === NS_SASL, 'a challenge')
  if (!challenge.is('challenge')) return challenge
  const text = Buffer.from(challenge.text(), 'base64').toString()
  const parts = new Map(text.split(',').map((part) => [part[0], part.slice(2)]))
  const clientKey = hmac(saltedPassword(twist.password ?? PASSWORD, parts.get('s') ?? '', Number(parts.get('i'))), 'Client Key')
  const bare = `c=${Buffer.concat([Buffer.from(gs2), twist.binding ?? Buffer.alloc(0)]).toString('base64')},r=${parts.get('r')}`
  const unproved = final(bare, '').replace(/,p=$/, '')
  const signature = hmac(createHash('sha1').update(clientKey).digest(), `${asked},${text},${unproved}`)
  const proof = Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] ?? 0))).toString('base64')
  say(wire, `<response xmlns='${NS_SASL}'>${base64(final(bare, proof))}</response>`)
  return wire.inbox.next((e) => e.getNS() === NS_SASL, 'an outcome')
}

export async function authenticate(wire: Wire, user: string): Promise<void> {
  const answer = await scram(wire, user)
  if (!answer.is('success')) throw new Error(`login refused: ${answer.toString()}`)
}

/** An IQ to one's own account, and its answer. */
export async function ask(wire: Wire, type: 'get' | 'set', payload: string): Promise<Element> {
  const id = randomBytes(4).toString('hex')
  say(wire, `<iq${framed(wire)} type='${type}' id='${id}'>${payload}</iq>`)
  return wire.inbox.next((e) => e.getName() === 'iq' && e.attrs['id'] === id, 'an answer')
}

export async function enable(wire: Wire, more = " resume='true'"): Promise<Element> {
  say(wire, `<enable xmlns='${NS_SM}'${more}/>`)
  return wire.inbox.next((e) => e.is('enabled', NS_SM), 'enabled')
}

export async function bindAndShow(wire: Wire, resource: string): Promise<string> {
  const bound = await ask(wire, 'set', `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>${resource}</resource></bind>`)
  const jid = bound.getChild('bind')?.getChildText('jid') ?? ''
  if (jid === '') throw new Error(`bind refused: ${bound.toString()}`)
  await ask(wire, 'get', `<query xmlns='jabber:iq:roster'/>`)
  say(wire, `<presence${framed(wire)}/>`)
  await wire.inbox.next((e) => e.getName() === 'presence' && e.attrs['from'] === jid, 'own presence')
  return jid
}

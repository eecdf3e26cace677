/** A node that is in the real table and otherwise played by the test, against the cluster port of a real node. */
import { randomBytes } from 'node:crypto'
import { makeCertificate, type LinkCertificate } from '../../src/cluster/certificate.js'
import { FRAME, type RawFrame } from '../../src/cluster/frames.js'
import { dialHandshake, type HandshakeFacts } from '../../src/cluster/handshake.js'
import { encodeGoodbye, encodeHello, type Hello } from '../../src/cluster/link-frames.js'
import type { ClusterTables, Life, NodeClaim } from '../../src/storage/cluster-tables.js'
import { frames, RawLink } from '../cluster/raw-link.js'

const TABLE_PASSWORD = 'of its row'
const BEAT_MS = 1_000

export interface StrangerSpec {
  readonly name: string
  /** Its own loopback address, so that its warnings are its own. */
  readonly address: string
  readonly port: number
  /** What its HELLO says instead. */
  readonly hello?: Partial<Hello>
  /** What its row says instead. */
  readonly row?: Partial<NodeClaim>
}

export class Stranger {
  #beat: NodeJS.Timeout | undefined
  private constructor(
    readonly spec: StrangerSpec, readonly life: Life, readonly certificate: LinkCertificate, private readonly tables: ClusterTables
  ) {}

  static async in(tables: ClusterTables, spec: StrangerSpec): Promise<Stranger> {
    const certificate = await makeCertificate(spec.name)
    const claimed = await tables.claim({
      hostname: spec.name, secondary: undefined, password: TABLE_PASSWORD, port: 1, cpuUsage: 0, memUsage: 0, clusterName: 'starling',
      bootNonce: randomBytes(8).toString('hex'), advertise: '127.0.0.1:1', hostId: 'h', strategy: 'broadcast',
      certSha256: certificate.sha256, protocolMin: 1, protocolMax: 1, version: '1', ...spec.row
    })
    if (claimed.outcome !== 'claimed') throw new Error(claimed.outcome)
    const stranger = new Stranger(spec, claimed.life, certificate, tables)
    stranger.#beat = setInterval(() => { void tables.renew(claimed.life, { cpuUsage: 0, memUsage: 0, links: 0 }) }, BEAT_MS)
    return stranger
  }

  get hello(): Hello {
    return {
      protocolMin: 1, protocolMax: 1, clusterName: 'starling', name: this.spec.name, incarnation: this.life.incarnation,
        nonce: randomBytes(32),
      keySource: 'rows', strategy: 'broadcast', advertise: '127.0.0.1:1', ...this.spec.hello
    }
  }

  dial(certificate: LinkCertificate | undefined = this.certificate): Promise<RawLink> {
    return RawLink.dial(this.spec.port, certificate, this.spec.address)
  }

  /** Says HELLO, with its own certificate unless told otherwise. */
  async greet({ hello = this.hello, certificate = this.certificate } = {}): Promise<RawLink> {
    const link = await this.dial(certificate)
    link.send(encodeHello(frames, hello))
    return link
  }

  /** A whole handshake: READY at the end. */
  async link(): Promise<RawLink> {
    const link = await this.dial()
    const { name } = this.spec
    const facts: HandshakeFacts = {
      frames, self: { name, incarnation: this.life.incarnation, advertise: '127.0.0.1:1' }, clusterName: 'starling', strategy: 'broadcast',
      password: TABLE_PASSWORD, secrets: [], seen: () => undefined, replayed: () => false,
      row: async (other) => (await this.tables.rows('starling')).find((row) => row.hostname === other),
      positions: () => ({ received: [0, 0, 0, 0], granted: { route: 8_388_608, repl: 8_388_608 } })
    }
    await dialHandshake(link, facts)
    return link
  }

  /** Leaves as a node does that stops. */
  async leave(link?: RawLink): Promise<void> {
    clearInterval(this.#beat)
    if (link?.closed === false) link.socket.end(encodeGoodbye(frames, 'left'))
    await this.tables.setState(this.life, 'left')
  }
}

/** The first frame of that type; others are passed over. */
export async function frameOf(link: RawLink, type: number): Promise<RawFrame> {
  for (;;) {
    const frame = await link.next()
    if (frame === undefined) throw new Error('the link is closed')
    if (frame.type === type) return frame
  }
}

/** Everything sent before has been looked at: the answer to a PING comes after it. */
export async function linkRoundTrip(link: RawLink, token = 77): Promise<readonly RawFrame[]> {
  frames.begin(FRAME.PING, 0).u48(token)
  link.send(frames.finish())
  const before: RawFrame[] = []
  for (;;) {
    const frame = await link.next()
    if (frame === undefined) throw new Error('the link is closed')
    if (frame.type === FRAME.PONG) return before
    before.push(frame)
  }
}

/**
 * HELLO, AUTH, READY: who is on the other end of a connection, and may we be linked? No sockets, no clocks, no SQL:
 * frames go through `HandshakeIo`, facts come from `HandshakeFacts`. Every refusal has a name.
 */
import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import type { NodeRow } from '../storage/cluster-tables.js'
import type { LinkRefusedReason } from '../telemetry/reasons.js'
import { FrameFault } from './bytes.js'
import { FRAME, PROTOCOL_MAX, PROTOCOL_MIN, type FrameWriter, type RawFrame } from './frames.js'
import {
  decodeAuth, decodeGoodbye, decodeHello, decodeReady, encodeAuth, encodeHello, encodeReady, NONCE_BYTES,
  type GoodbyeReason, type Hello, type KeySource, type PeerAddress, type Positions
} from './link-frames.js'

export const EXPORTER_LABEL = 'EXPORTER-starling-link'
export const EXPORTER_BYTES = 32
const CONTEXT = 'starling-link-1'
const KEY_BYTES = 32

/** The link may not be. `detail` is for the log: both values, never a secret. */
export class LinkRefused extends Error {
  constructor(readonly reason: GoodbyeReason, readonly detail: object, readonly byPeer: boolean) {
    super(`link refused: ${reason}`)
    this.name = 'LinkRefused'
  }
}

export interface HandshakeIo {
  send(frame: Buffer): void
  /** The next frame; rejects when the connection ends. */
  receive(): Promise<RawFrame>
  /** Keying material of the TLS connection, zeros without TLS. */
  readonly exporter: Buffer
  /** SHA-256 of the other end's certificate, `undefined` without TLS. */
  readonly pin: string | undefined
}

export interface HandshakeFacts {
  readonly frames: FrameWriter
  readonly self: PeerAddress
  readonly clusterName: string
  readonly strategy: string
  /** Of our own row. */
  readonly password: string
  /** `--cluster-secret`, two during a rotation, none to use the passwords of the rows. */
  readonly secrets: readonly string[]
  /** The row of a node; `fresh`: read now, as it may have changed since the last beat. */
  row(name: string, fresh: boolean): Promise<NodeRow | undefined>
  /** The highest incarnation of that name that we know of, and whether that life is over. */
  seen(name: string): { readonly incarnation: number; readonly over: boolean } | undefined
  /** True when this nonce was met before. */
  replayed(nonce: Buffer): boolean
  /** Where the lanes of the channel to that life stand. */
  positions(peer: PeerAddress): Positions
}

export interface Handshaken {
  readonly peer: PeerAddress
  readonly positions: Positions
}

/** Our side has dialled. */
export async function dialHandshake(io: HandshakeIo, facts: HandshakeFacts): Promise<Handshaken> {
  const ours = helloOf(facts)
  io.send(encodeHello(facts.frames, ours))
  const theirs = decodeHello(await expectFrame(io, FRAME.HELLO))
  const row = await admit(theirs, io.pin, facts)
  const auth = new Authentication({ dialler: ours, acceptor: theirs, exporter: io.exporter }, keysOf(facts, row))
  io.send(encodeAuth(facts.frames, auth.macs('dialler')))
  auth.verify('acceptor', decodeAuth(await expectFrame(io, FRAME.AUTH)))
  const peer = peerOf(theirs)
  io.send(encodeReady(facts.frames, facts.positions(peer)))
  return { peer, positions: decodeReady(await expectFrame(io, FRAME.READY)) }
}

/** The other side has dialled. It hears nothing of us before its certificate is the one in its row. */
export async function acceptHandshake(io: HandshakeIo, facts: HandshakeFacts): Promise<Handshaken> {
  const theirs = decodeHello(await expectFrame(io, FRAME.HELLO))
  const row = await admit(theirs, io.pin, facts)
  const ours = helloOf(facts)
  io.send(encodeHello(facts.frames, ours))
  const auth = new Authentication({ dialler: theirs, acceptor: ours, exporter: io.exporter }, keysOf(facts, row))
  const key = auth.verify('dialler', decodeAuth(await expectFrame(io, FRAME.AUTH)))
  io.send(encodeAuth(facts.frames, [auth.mac('acceptor', key)]))
  const peer = peerOf(theirs)
  io.send(encodeReady(facts.frames, facts.positions(peer)))
  return { peer, positions: decodeReady(await expectFrame(io, FRAME.READY)) }
}

async function expectFrame(io: HandshakeIo, type: number): Promise<Buffer> {
  const frame = await io.receive()
  if (frame.type === type) return frame.body
  if (frame.type === FRAME.GOODBYE) throw new LinkRefused(decodeGoodbye(frame.body), {}, true)
  throw new FrameFault(`frame ${frame.type} where ${type} was expected`)
}

function helloOf(facts: HandshakeFacts): Hello {
  return {
    ...facts.self,
    protocolMin: PROTOCOL_MIN,
    protocolMax: PROTOCOL_MAX,
    clusterName: facts.clusterName,
    nonce: randomBytes(NONCE_BYTES),
    keySource: keySourceOf(facts),
    strategy: facts.strategy
  }
}

const keySourceOf = (facts: HandshakeFacts): KeySource => (facts.secrets.length === 0 ? 'rows' : 'secret')
const peerOf = ({ name, incarnation, advertise }: Hello): PeerAddress => ({ name, incarnation, advertise })

/** The row of who says this HELLO, or a refusal. A row that does not fit is read once more: it may be news. */
async function admit(hello: Hello, pin: string | undefined, facts: HandshakeFacts): Promise<NodeRow> {
  refuse(judgeTerms(hello, facts))
  const known = await facts.row(hello.name, false)
  const judged = judgeIdentity(hello, pin, known, facts)
  const row = judged === undefined ? known : await facts.row(hello.name, true)
  refuse(judged === undefined ? undefined : judgeIdentity(hello, pin, row, facts))
  if (row === undefined) throw new LinkRefused('unknown-node', { node: hello.name }, false)
  refuse(judgeManners(hello, facts))
  return row
}

type Judgement = { readonly reason: LinkRefusedReason; readonly detail: object } | undefined

function refuse(judgement: Judgement): void {
  if (judgement !== undefined) throw new LinkRefused(judgement.reason, judgement.detail, false)
}

/** What needs no row. */
export function judgeTerms(hello: Hello, facts: HandshakeFacts): Judgement {
  if (hello.clusterName !== facts.clusterName) {
    return { reason: 'wrong-cluster', detail: { theirs: hello.clusterName, ours: facts.clusterName } }
  }
  if (hello.protocolMin > PROTOCOL_MAX || hello.protocolMax < PROTOCOL_MIN) {
    const theirs = `${hello.protocolMin}-${hello.protocolMax}`
    return { reason: 'protocol', detail: { node: hello.name, theirs, ours: `${PROTOCOL_MIN}-${PROTOCOL_MAX}` } }
  }
  if (hello.name === facts.self.name) return { reason: 'own-name', detail: { node: hello.name } }
  return undefined
}

/** Is it the life that the table knows? */
export function judgeIdentity(
  hello: Hello, pin: string | undefined, row: NodeRow | undefined, facts: Pick<HandshakeFacts, 'seen'>
): Judgement {
  const detail = { node: hello.name, incarnation: hello.incarnation }
  if (row === undefined || row.incarnation < hello.incarnation) return { reason: 'unknown-node', detail }
  const seen = facts.seen(hello.name)
  const newest = Math.max(row.incarnation, seen?.incarnation ?? 0)
  const over = row.state === 'fenced' || row.state === 'left' || (seen?.over === true && seen.incarnation === hello.incarnation)
  if (hello.incarnation < newest || over) {
    return { reason: 'old-incarnation', detail: { ...detail, newest, state: row.state } }
  }
  if (pin !== undefined && row.certSha256 !== pin) {
    return { reason: 'wrong-pin', detail: { ...detail, theirs: pin, row: row.certSha256 } }
  }
  return undefined
}

/** What all nodes of one cluster must share, asked only of a node that is who it says. */
export function judgeManners(hello: Hello, facts: HandshakeFacts): Judgement {
  const detail = { node: hello.name }
  if (hello.strategy !== facts.strategy) {
    return { reason: 'strategy', detail: { ...detail, theirs: hello.strategy, ours: facts.strategy } }
  }
  const ours = keySourceOf(facts)
  if (hello.keySource !== ours) return { reason: 'secret-mismatch', detail: { ...detail, theirs: hello.keySource, ours } }
  if (facts.replayed(hello.nonce)) return { reason: 'replay', detail }
  return undefined
}

/** Keys that may hold for this pair: one of the rows' passwords, or one for each secret. */
function keysOf(facts: HandshakeFacts, peer: NodeRow): readonly Buffer[] {
  if (facts.secrets.length > 0) return facts.secrets.map((secret) => linkKey(facts.clusterName, Buffer.from(secret, 'utf8')))
  const passwords = facts.self.name < peer.hostname ? [facts.password, peer.password] : [peer.password, facts.password]
  return [linkKey(facts.clusterName, Buffer.concat(passwords.map((password) => sized(Buffer.from(password, 'utf8')))))]
}

/** HKDF-SHA256 (RFC 5869) with the cluster's name as salt. */
export function linkKey(clusterName: string, material: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', material, Buffer.from(clusterName, 'utf8'), CONTEXT, KEY_BYTES))
}

type Role = 'dialler' | 'acceptor'

interface Transcript {
  readonly dialler: Pick<Hello, 'name' | 'incarnation' | 'nonce'>
  readonly acceptor: Pick<Hello, 'name' | 'incarnation' | 'nonce'>
  readonly exporter: Buffer
}

/** HMAC-SHA256 over both HELLOs and the TLS connection: good for this pair of nonces on this connection only. */
export function authCode(key: Buffer, role: Role, transcript: Transcript): Buffer {
  const hmac = createHmac('sha256', key)
  const { dialler, acceptor, exporter } = transcript
  const fields = [Buffer.from(CONTEXT), Buffer.from(role), ...factsOf(dialler), ...factsOf(acceptor), exporter]
  for (const field of fields) hmac.update(sized(field))
  return hmac.digest()
}

function factsOf(hello: Transcript['dialler']): readonly Buffer[] {
  const incarnation = Buffer.alloc(8)
  incarnation.writeBigUInt64BE(BigInt(hello.incarnation))
  return [Buffer.from(hello.name, 'utf8'), incarnation, hello.nonce]
}

/** Four bytes of length, then the field: no two lists of fields read alike. */
function sized(field: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(field.length)
  return Buffer.concat([length, field])
}

class Authentication {
  constructor(private readonly transcript: Transcript, private readonly keys: readonly Buffer[]) {}

  macs(role: Role): readonly Buffer[] {
    return this.keys.map((key) => this.mac(role, key))
  }

  mac(role: Role, key: Buffer): Buffer {
    return authCode(key, role, this.transcript)
  }

  /** The key that the other side proved to have. All pairs are compared, each in constant time. */
  verify(role: Role, macs: readonly Buffer[]): Buffer {
    const proven = this.keys.filter((key) => {
      const expected = this.mac(role, key)
      return macs.map((mac) => timingSafeEqual(mac, expected)).includes(true)
    })
    const [key] = proven
    if (key === undefined) throw new LinkRefused('wrong-key', { node: this.transcript[role].name }, false)
    return key
  }
}

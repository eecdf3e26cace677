/** WebSocket by hand (RFC 6455): frames as wrong as they are told to be, and the frames that come back. */
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { parse, type Element } from 'ltx'
import { Inbox } from './inbox.js'
import { connected } from './wire-tcp.js'
import { written, type Wire } from './wire.js'

const FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing'
export const TEXT = 1, BINARY = 2, CLOSE_FRAME = 8, PING = 9, PONG = 10

export interface FrameMore {
  readonly fin?: boolean
  readonly masked?: boolean
  /** Reserved bits, 0x10 to 0x40. */
  readonly reserved?: number
  /** Says another length than it has, in eight bytes. */
  readonly says?: bigint
}

export function frame(opcode: number, payload: Uint8Array | string = '', { fin = true, masked = true, reserved = 0, says }: FrameMore = {}):
Buffer {
  const bytes = Buffer.from(payload)
  const mask = masked ? 0x80 : 0
  const head = [(fin ? 0x80 : 0) | reserved | opcode]
  if (says === undefined && bytes.length < 126) head.push(mask | bytes.length)
  else if (says === undefined && bytes.length < 65_536) head.push(mask | 126, bytes.length >> 8, bytes.length & 0xff)
  else {
    const length = Buffer.alloc(8)
    length.writeBigUInt64BE(says ?? BigInt(bytes.length))
    head.push(mask | 127, ...length)
  }
  if (!masked) return Buffer.concat([Buffer.from(head), bytes])
  const key = randomBytes(4)
  return Buffer.concat([Buffer.from(head), key, bytes.map((byte, i) => byte ^ (key[i % 4] ?? 0))])
}

export const closeFrame = (body: Uint8Array): Buffer => frame(CLOSE_FRAME, body)

export interface Heard {
  readonly opcode: number
  readonly payload: Buffer
}

export class FrameWire implements Wire {
  readonly form = 'websocket'
  readonly inbox = new Inbox()
  /** Everything but text, in order. */
  readonly controls: Heard[] = []
  #bytes = Buffer.alloc(0)
  #closeTag = false
  #code: number | undefined
  /** Our Close frame has gone. */
  #closed = false

  constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => { this.#read(chunk) })
    socket.on('error', () => {})
    socket.on('end', () => { socket.end() })
    socket.on('close', () => {
      this.inbox.ended({ closeTag: this.#closeTag, ...this.#code !== undefined && { code: this.#code } })
    })
  }

  header(attrs: Readonly<Record<string, string>>): void {
    this.socket.write(frame(TEXT, `<open${written({ xmlns: FRAMING, version: '1.0', 'xml:lang': 'en', ...attrs })}/>`))
  }

  send(bytes: Uint8Array): void {
    this.socket.write(frame(TEXT, bytes))
  }

  drip(bytes: Uint8Array): Promise<void> {
    this.send(bytes)
    return Promise.resolve()
  }

  close(): void {
    this.socket.write(frame(TEXT, `<close xmlns='${FRAMING}'/>`))
    this.socket.write(closeFrame(Buffer.from([3, 232])))
    this.#closed = true
  }

  cut(): void {
    this.socket.destroy()
  }

  #read(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    for (let one = this.#take(); one !== undefined; one = this.#take()) this.#heard(one)
  }

  #take(): Heard | undefined {
    const bytes = this.#bytes
    if (bytes.length < 2) return undefined
    const short = (bytes[1] ?? 0) & 0x7f
    const head = short < 126 ? 2 : short === 126 ? 4 : 10
    if (bytes.length < head) return undefined
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
    if (bytes.length < head + length) return undefined
    this.#bytes = bytes.subarray(head + length)
    return { opcode: (bytes[0] ?? 0) & 0x0f, payload: bytes.subarray(head, head + length) }
  }

  #heard({ opcode, payload }: Heard): void {
    if (opcode !== TEXT) this.controls.push({ opcode, payload })
    if (opcode === CLOSE_FRAME) {
      this.#code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005
      if (!this.#closed) this.socket.write(closeFrame(payload.subarray(0, 2)))
      this.#closed = true
    }
    if (opcode !== TEXT) return
    const text = payload.toString()
    this.inbox.text += text
    const element: Element = parse(text)
    if (element.is('open', FRAMING)) return this.inbox.opened(element.attrs as Record<string, string>)
    if (element.is('close', FRAMING)) this.#closeTag = true
    else this.inbox.arrived(element)
  }
}

export const HANDSHAKE: Readonly<Record<string, string>> = {
  Host: 'im.test', Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Protocol': 'xmpp',
  'Sec-WebSocket-Key': randomBytes(16).toString('base64')
}

export interface Asked {
  readonly first?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Instead of the lines of headers. */
  readonly lines?: readonly string[]
}

/** Asks for an upgrade and returns the head of the answer; what comes after it is the caller's. */
export async function ask101(port: number, { first = 'GET /xmpp-websocket HTTP/1.1', headers = HANDSHAKE, lines }: Asked = {}):
Promise<{ readonly socket: Socket, readonly answer: string }> {
  const socket = await connected(port)
  socket.on('error', () => {})
  const said = lines ?? Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  socket.write(`${first}\r\n${said.map((line) => `${line}\r\n`).join('')}\r\n`)
  const answer = await new Promise<string>((resolve) => {
    let heard = ''
    const hear = (chunk: Buffer): void => {
      heard += chunk.toString('latin1')
      if (!heard.includes('\r\n\r\n')) return
      socket.removeListener('data', hear)
      resolve(heard)
    }
    socket.on('data', hear).on('close', () => { resolve(heard) })
  })
  return { socket, answer }
}

export async function openFrames(port: number, asked: Asked = {}): Promise<FrameWire> {
  const { socket, answer } = await ask101(port, asked)
  if (!answer.startsWith('HTTP/1.1 101')) throw new Error(answer)
  return new FrameWire(socket)
}

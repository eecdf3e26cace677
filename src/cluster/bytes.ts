/**
 * Big-endian numbers, varints (seven bits a byte, the lowest first) and length-prefixed text, with strict bounds both
 * ways. Owns one scratch buffer per writer.
 */

/** The bytes are not what the layout says; the connection they came over is closed with `protocol`. */
export class FrameFault extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'FrameFault'
  }
}

const SCRATCH_BYTES = 4096
/** A scratch buffer that one huge frame has stretched is given back. */
const SCRATCH_KEEP_BYTES = 262_144
export const U48_MAX = 2 ** 48 - 1
/** Texts up to this are written here, character by character: a call into the runtime costs more. */
const SHORT_TEXT = 48

export class ByteWriter {
  #bytes = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  #length = 0

  get length(): number {
    return this.#length
  }

  reset(): void {
    this.#length = 0
    if (this.#bytes.length > SCRATCH_KEEP_BYTES) this.#bytes = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  }

  u8(value: number): void {
    this.#room(1)
    this.#bytes[this.#length++] = value
  }

  /** Up to 48 bits. @throws RangeError */
  varint(value: number): void {
    if (!(value >= 0 && value <= U48_MAX)) throw new RangeError(`${value} is not a number of 48 bits`)
    this.#room(7)
    let rest = value
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) this.#bytes[this.#length++] = (rest % 128) | 0x80
    this.#bytes[this.#length++] = rest
  }

  u16(value: number): void {
    this.#room(2)
    this.#length = this.#bytes.writeUInt16BE(value, this.#length)
  }

  u32(value: number): void {
    this.#room(4)
    this.#length = this.#bytes.writeUInt32BE(value, this.#length)
  }

  u48(value: number): void {
    this.#room(6)
    this.#length = this.#bytes.writeUIntBE(value, this.#length, 6)
  }

  /** UTF-8 behind its length in one byte. */
  text8(value: string): void {
    this.#text(value, 1, 0xff)
  }

  /** UTF-8 behind its length in two bytes. */
  text16(value: string): void {
    this.#text(value, 2, 0xffff)
  }

  /** Bytes behind their length in four bytes. */
  bytes32(value: Uint8Array): void {
    this.u32(value.length)
    this.raw(value)
  }

  raw(value: Uint8Array): void {
    this.#room(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
  }

  /** Digits of whole bytes. @throws RangeError when it is not `bytes` bytes of hexadecimal digits */
  hex(value: string, bytes: number): void {
    this.#room(bytes)
    if (value.length !== bytes * 2 || this.#bytes.write(value, this.#length, bytes, 'hex') !== bytes) {
      throw new RangeError(`not ${bytes * 2} hexadecimal digits`)
    }
    this.#length += bytes
  }

  setU32(value: number, at: number): void {
    this.#bytes.writeUInt32BE(value, at)
  }

  /** What was written after `length` bytes was not meant. */
  truncate(length: number): void {
    this.#length = length
  }

  /** What was written, until more is. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** A copy of what was written. */
  finish(): Buffer {
    return Buffer.from(this.written)
  }

  #text(value: string, lengthBytes: 1 | 2, max: number): void {
    const most = value.length * 3
    this.#room(most + lengthBytes)
    const at = this.#length + lengthBytes
    const ascii = value.length <= SHORT_TEXT && this.#ascii(value, at)
    const size = ascii ? value.length : this.#bytes.write(value, at, most, 'utf8')
    if (size > max) throw new RangeError(`text of ${size} bytes, at most ${max} fit`)
    this.#bytes.writeUIntBE(size, this.#length, lengthBytes)
    this.#length += size + lengthBytes
  }

  #ascii(value: string, at: number): boolean {
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i)
      if (code > 0x7f) return false
      this.#bytes[at + i] = code
    }
    return true
  }

  #room(more: number): void {
    const needed = this.#length + more
    if (needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}

export class ByteReader {
  #at: number

  readonly #end: number

  constructor(private readonly source: Buffer, start = 0, end = source.length) {
    this.#at = start
    this.#end = end
  }

  get left(): number {
    return this.#end - this.#at
  }

  u8(): number {
    const byte = this.#at < this.#end ? this.source[this.#at++] : undefined
    if (byte === undefined) throw new FrameFault('frame is cut short')
    return byte
  }

  varint(): number {
    let value = 0
    for (let scale = 1; scale < U48_MAX * 2; scale *= 128) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 0x80 && value <= U48_MAX) return value
    }
    throw new FrameFault('a number of more than 48 bits')
  }

  u16(): number {
    return this.source.readUInt16BE(this.#take(2))
  }

  u32(): number {
    return this.source.readUInt32BE(this.#take(4))
  }

  u48(): number {
    return this.source.readUIntBE(this.#take(6), 6)
  }

  text8(max = 0xff): string {
    return this.#text(this.u8(), max)
  }

  text16(max = 0xffff): string {
    return this.#text(this.u16(), max)
  }

  /** A copy, so that a small value does not keep a whole chunk of the socket alive. */
  bytes32(max: number): Buffer {
    const length = this.u32()
    if (length > max) throw new FrameFault(`${length} bytes where at most ${max} may stand`)
    return this.raw(length)
  }

  raw(length: number): Buffer {
    const at = this.#take(length)
    return Buffer.from(this.source.subarray(at, at + length))
  }

  hex(bytes: number): string {
    const at = this.#take(bytes)
    return this.source.toString('hex', at, at + bytes)
  }

  /** A view of the next bytes. */
  view(length: number): Buffer {
    const at = this.#take(length)
    return this.source.subarray(at, at + length)
  }

  /** A reader of the next bytes alone. */
  part(length: number): ByteReader {
    const at = this.#take(length)
    return new ByteReader(this.source, at, at + length)
  }

  /** Everything must have been read. */
  end(): void {
    if (this.left !== 0) throw new FrameFault(`${this.left} bytes too many`)
  }

  #text(length: number, max: number): string {
    if (length > max) throw new FrameFault(`text of ${length} bytes where at most ${max} may stand`)
    const at = this.#take(length)
    return this.source.toString('utf8', at, at + length)
  }

  #take(length: number): number {
    const at = this.#at
    if (length > this.#end - at) throw new FrameFault('frame is cut short')
    this.#at = at + length
    return at
  }
}

/**
 * Big-endian numbers and length-prefixed text, with strict bounds both ways. Owns one scratch buffer per writer.
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

  /** A copy of what was written. */
  finish(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length))
  }

  #text(value: string, lengthBytes: 1 | 2, max: number): void {
    const most = value.length * 3
    this.#room(most + lengthBytes)
    const size = this.#bytes.write(value, this.#length + lengthBytes, most, 'utf8')
    if (size > max) throw new RangeError(`text of ${size} bytes, at most ${max} fit`)
    this.#bytes.writeUIntBE(size, this.#length, lengthBytes)
    this.#length += size + lengthBytes
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

  constructor(private readonly source: Buffer, start = 0) {
    this.#at = start
  }

  get left(): number {
    return this.source.length - this.#at
  }

  u8(): number {
    return this.source.readUInt8(this.#take(1))
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
    if (length > this.source.length - at) throw new FrameFault('frame is cut short')
    this.#at = at + length
    return at
  }
}

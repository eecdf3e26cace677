/** What the tests of the parser share: limits, headers, and a sink that writes down what it is told. */
import type { RawElement, StreamHeader, XmlFault, XmlLimits } from '../../src/xml/raw.js'
import { StreamParser } from '../../src/xml/stream-parser.js'
import type { ParserSink } from '../../src/xml/stream-parser.js'

export const LIMITS: XmlLimits = {
  stanzaBytes: 262_144, elements: 5_000, depth: 64, attributes: 64, namespaces: 32, nameBytes: 1_024
}
export const NS_STREAMS = 'http://etherx.jabber.org/streams'
export const HDR = "<?xml version='1.0'?><stream:stream to='im.test' version='1.0' xml:lang='en' " +
  `xmlns='jabber:client' xmlns:stream='${NS_STREAMS}'>`

export type Event =
  | readonly ['header', StreamHeader]
  | readonly ['element', Omit<RawElement, 'inside'> & { readonly inside: string }]
  | readonly ['end']
  | readonly ['fault', string, string | undefined]

export class Recorder implements ParserSink {
  readonly events: Event[] = []
  readonly elements: RawElement[] = []
  fault_: XmlFault | undefined
  ended = false

  header(header: StreamHeader): boolean {
    this.events.push(['header', header])
    return true
  }

  element(element: RawElement): boolean {
    this.elements.push(element)
    this.events.push(['element', { ...element, inside: element.inside.toString('utf8') }])
    return true
  }

  closed(): void {
    this.ended = true
    this.events.push(['end'])
  }

  fault(fault: XmlFault): void {
    this.fault_ = fault
    this.events.push(['fault', fault.condition, fault.application])
  }
}

export function bytes(text: string | Buffer): Buffer {
  return typeof text === 'string' ? Buffer.from(text, 'utf8') : text
}

/** Text with bytes in between: `raw('<a>', [0xc0, 0x80], '</a>')`. */
export function raw(...pieces: readonly (string | readonly number[])[]): Buffer {
  return Buffer.concat(pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece, 'utf8') : Buffer.from(piece))))
}

/** A parser in the middle of an open stream, and what it reports from here on. */
export function opened(limits = LIMITS, header = HDR): { parser: StreamParser, seen: Recorder } {
  const seen = new Recorder()
  const parser = new StreamParser(limits, seen)
  parser.feed(bytes(header))
  if (seen.events.length !== 1) throw new Error('the header was not taken')
  seen.events.length = 0
  return { parser, seen }
}

/** Everything reported about a document from its first byte on, fed in pieces of `size` bytes. */
export function eventsOf(document: string | Buffer, size = Number.POSITIVE_INFINITY, limits = LIMITS): Recorder {
  const seen = new Recorder()
  const parser = new StreamParser(limits, seen)
  const whole = bytes(document)
  for (let at = 0; at < whole.length; at += size) parser.feed(Buffer.from(whole.subarray(at, at + size)))
  return seen
}

/** The condition with which an open stream refuses these bytes, or what it yields of them. */
export function outcome(text: string | Buffer): string {
  const { parser, seen } = opened()
  parser.feed(bytes(text))
  if (seen.fault_ !== undefined) return seen.fault_.condition
  return seen.elements.map((element) => element.inside.toString('utf8')).join(' | ')
}

/** The only element of an open stream. */
export function only(text: string | Buffer): RawElement {
  const { parser, seen } = opened()
  parser.feed(bytes(text))
  const [element] = seen.elements
  if (element === undefined) throw new Error(`refused: ${seen.fault_?.message ?? 'not complete'}`)
  return element
}

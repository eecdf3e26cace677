/**
 * One start tag, taken apart on the bytes: where its names and values stand, not yet what they say. One object is used
 * for all tags of a stream. XML 1.0 §2.3, §3.1; Namespaces in XML 1.0 §4, §5.
 */
import {
  AMP, APOS, BLANK, C2, COLON, CR, EQUALS, GT, LF, LT, NAME, NAME_HIGH, NAME_START, QUOTE, SLASH, SPACE, TAB, VALUE, beginsName,
  continuesName
} from './characters.js'
import { malformed, tooMuch } from './faults.js'
import type { XmlLimits } from './raw.js'
import { attributeValue, isNumeric, skipReference } from './reference.js'
import { codePoint, sequence } from './utf8.js'
import { asciiText, nameText } from './words.js'

/** What a value needs before it can be used. */
const ENCODED = 1
const UNICODE = 2

/** Where an attribute stands. `colon` is the position of its colon, 0 without prefix. */
export interface Place {
  from: number
  colon: number
  to: number
  valueFrom: number
  valueTo: number
  needs: number
}

export class StartTag {
  limits: XmlLimits
  nameFrom = 0
  nameColon = 0
  nameTo = 0
  /** Attributes of this tag; `places` may hold more, left from earlier tags. */
  count = 0
  readonly places: Place[] = []
  /** Index of the attribute `xmlns`, -1 without. */
  defaultNs = -1
  /** The element or an attribute has a prefix, `xmlns:` included. */
  prefixed = false
  /** Closed at once: `<a/>`. */
  empty = false
  /** Something in it is not boring. */
  odd = false
  /** Position of the colon of the name read last, 0 without. */
  #colon = 0

  constructor(limits: XmlLimits) {
    this.limits = limits
  }

  /** Takes the tag at `at`, where `<` and the start of a name stand. Position after its `>`; 0 when that has not come yet. */
  read(d: Buffer, at: number, end: number): number {
    this.count = 0
    this.defaultNs = -1
    this.empty = false
    this.odd = false
    const i = this.#name(d, at + 1, end)
    if (i >= end) return 0
    this.nameFrom = at + 1
    this.nameColon = this.#colon
    this.nameTo = i
    this.prefixed = this.#colon !== 0
    if (this.prefixed) this.odd = true
    return this.#attributes(d, i, end)
  }

  /** The name without prefix. */
  localName(d: Buffer): string {
    return nameText(d, this.nameColon === 0 ? this.nameFrom : this.nameColon + 1, this.nameTo)
  }

  prefix(d: Buffer): string {
    return this.nameColon === 0 ? '' : nameText(d, this.nameFrom, this.nameColon)
  }

  /** The value of an attribute, decoded. */
  value(d: Buffer, place: Place): string {
    if (place.needs === 0) return asciiText(d, place.valueFrom, place.valueTo)
    const raw = d.toString('utf8', place.valueFrom, place.valueTo)
    return (place.needs & ENCODED) === 0 ? raw : attributeValue(raw)
  }

  #attributes(d: Buffer, from: number, end: number): number {
    let i = from
    while (i < end) {
      const byte = d[i] as number
      if (byte === GT) return i + 1
      if (byte === SLASH) return this.#emptyEnd(d, i, end)
      const next = this.#blank(d, i, end)
      if (next >= end) return 0
      if (d[next] === GT || d[next] === SLASH) {
        i = next
        continue
      }
      if (next === i) throw malformed('no white space before an attribute')
      i = this.#attribute(d, next, end)
    }
    return 0
  }

  #emptyEnd(d: Buffer, at: number, end: number): number {
    if (at + 1 >= end) return 0
    if (d[at + 1] !== GT) throw malformed('a slash inside a tag')
    this.empty = true
    return at + 2
  }

  /** Position after white space. One space is boring, everything else is odd. */
  #blank(d: Buffer, at: number, end: number): number {
    let i = at
    while (i < end && BLANK[d[i] as number] === 1) i++
    if (i > at + 1 || (i > at && d[at] !== SPACE)) this.odd = true
    return i
  }

  /** Position after an attribute, or `end`. */
  #attribute(d: Buffer, at: number, end: number): number {
    const nameTo = this.#name(d, at, end)
    if (nameTo >= end) return end
    const colon = this.#colon
    const equals = this.#spaced(d, nameTo, end)
    if (equals >= end) return end
    if (d[equals] !== EQUALS) throw malformed('an attribute without value')
    const quote = this.#spaced(d, equals + 1, end)
    if (quote >= end) return end
    if (d[quote] !== QUOTE && d[quote] !== APOS) throw malformed('an attribute value without quotes')   // X14
    const place = this.#place(d, at, nameTo)
    place.colon = colon
    if (colon !== 0) this.prefixed = this.odd = true
    return this.#value(d, quote, end)
  }

  #spaced(d: Buffer, at: number, end: number): number {
    const i = this.#blank(d, at, end)
    if (i > at) this.odd = true
    return i
  }

  /** Notes a new attribute, which must be the only one of its name (XML 1.0 §3.1). */
  #place(d: Buffer, from: number, to: number): Place {
    if (this.count >= this.limits.attributes) throw tooMuch(`more than ${this.limits.attributes} attributes`)
    for (let k = 0; k < this.count; k++) {
      const other = this.places[k] as Place
      if (sameBytes(d, other, from, to)) throw malformed('an attribute given twice')
    }
    if (to - from === 5 && isXmlns(d, from)) this.defaultNs = this.count
    const place = this.places[this.count] ?? this.#more()
    place.from = from
    place.to = to
    this.count++
    return place
  }

  #more(): Place {
    const place: Place = { from: 0, colon: 0, to: 0, valueFrom: 0, valueTo: 0, needs: 0 }
    this.places.push(place)
    return place
  }

  /** The value whose quote stands at `at`; position after its second quote, or `end`. */
  #value(d: Buffer, at: number, end: number): number {
    const quote = d[at]
    const place = this.places[this.count - 1] as Place
    place.valueFrom = at + 1
    place.needs = 0
    let i = at + 1
    for (;;) {
      while (i < end && VALUE[d[i] as number] === 0) i++
      if (i >= end) return end
      if (d[i] === quote) break
      const next = this.#special(d, i, end)
      if (next === i) return end
      i = next
    }
    place.valueTo = i
    return i + 1
  }

  /** A character of a value that is not quite ordinary; `at` when it is not complete yet. */
  #special(d: Buffer, at: number, end: number): number {
    const byte = d[at] as number
    const place = this.places[this.count - 1] as Place
    if (byte >= 0x80) {
      place.needs |= UNICODE
      if (byte === C2 && (d[at + 1] as number) < 0xa0) this.odd = true   // C1 controls
      return at + sequence(d, at, end)
    }
    if (byte === QUOTE || byte === APOS) return at + 1
    if (byte === AMP) {
      place.needs |= ENCODED
      if (isNumeric(d, at)) this.odd = true
      return skipReference(d, at, end)
    }
    if (byte === LT) throw malformed('a raw < in an attribute value')   // X15
    if (byte < SPACE && byte !== TAB && byte !== LF && byte !== CR) throw malformed('a control character')   // X17
    if (byte < SPACE) place.needs |= ENCODED
    this.odd = true
    return at + 1
  }

  /** A qualified name (XML Names §4): position after it, or `end` or more when it may go on. */
  #name(d: Buffer, at: number, end: number): number {
    this.#colon = 0
    let i = this.#part(d, at, end)
    if (i < end && d[i] === COLON) {
      const colon = i
      i = this.#part(d, i + 1, end)
      if (i < end && d[i] === COLON) throw malformed('a name with two colons')
      this.#colon = colon
    }
    if (i - at > this.limits.nameBytes) throw tooMuch(`a name of more than ${this.limits.nameBytes} bytes`)
    return i
  }

  /** A name without colon. */
  #part(d: Buffer, at: number, end: number): number {
    if (at >= end) return end
    const first = d[at] as number
    if (NAME[first] === NAME_HIGH) return this.#highPart(d, at, end)
    if (NAME[first] !== NAME_START) throw malformed('a name that begins with none of the letters allowed')
    let i = at + 1
    while (i < end && ((NAME[d[i] as number] as number) & 3) !== 0) i++
    return i < end && NAME[d[i] as number] === NAME_HIGH ? this.#highPart(d, i, end, at) : i
  }

  /** The rest of a name in which a character beyond ASCII stands at `at`. Not boring: see `boring` in `raw.ts`. */
  #highPart(d: Buffer, at: number, end: number, begin = at): number {
    this.odd = true
    let i = at
    while (i < end) {
      const kind = NAME[d[i] as number] as number
      if (kind === 0) break
      if (kind !== NAME_HIGH) {
        i++
        continue
      }
      const length = sequence(d, i, end)
      if (length === 0) return end
      const code = codePoint(d, i, length)
      if (!(i === begin ? beginsName(code) : continuesName(code))) throw malformed('a character that names may not have')
      i += length
    }
    return i
  }
}

function sameBytes(d: Buffer, place: Place, from: number, to: number): boolean {
  if (place.to - place.from !== to - from) return false
  for (let k = to - from - 1; k >= 0; k--) if (d[place.from + k] !== d[from + k]) return false
  return true
}

/** Do five bytes read `xmlns`? */
function isXmlns(d: Buffer, at: number): boolean {
  return d[at] === 0x78 && d[at + 1] === 0x6d && d[at + 2] === 0x6c && d[at + 3] === 0x6e && d[at + 4] === 0x73
}

/** Is this attribute `xmlns:p`? */
export function isDeclaration(d: Buffer, place: Place): boolean {
  return place.colon - place.from === 5 && isXmlns(d, place.from)
}

/**
 * Where parsers of byte streams work: what one needs only while bytes lie before it. Thousands of streams that are idle
 * share a few. Owns the desks that nobody sits at.
 */
import { Assembly } from './assembly.js'
import { BytesHeld } from './bytes-held.js'
import type { XmlLimits } from './raw.js'

/** Streams whose bytes end inside of an element keep their desk meanwhile; more than these are not kept for the next. */
const SPARE_MAX = 16

export class Desk {
  readonly held = new BytesHeld()
  readonly assembly: Assembly

  constructor(limits: XmlLimits) {
    this.assembly = new Assembly(limits)
  }
}

export class Desks {
  readonly #spare: Desk[] = []

  take(limits: XmlLimits): Desk {
    const desk = this.#spare.pop()
    if (desk === undefined) return new Desk(limits)
    desk.assembly.scanner.tag.limits = limits
    return desk
  }

  leave(desk: Desk): void {
    if (this.#spare.length < SPARE_MAX) this.#spare.push(desk)
  }
}

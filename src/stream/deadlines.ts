/**
 * Time-outs of many streams on one timer: an item keeps its own deadlines as numbers and is looked at when the earliest
 * may be due. Nothing is armed or cancelled per stanza. The transport room's wheel is one of these.
 */
export interface Timed {
  /** Acts on what is due at `now` (monotonic milliseconds) and says when to look again, `Infinity` for not at all. */
  check(now: number): number
}

export interface Deadlines {
  /** Looks at `item` at `at` or a little later; an earlier look that is already planned stays. */
  look(item: Timed, at: number): void
  forget(item: Timed): void
}

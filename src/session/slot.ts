/**
 * Slots: typed per-device state with a start value and a stated lifetime. A plugin keeps its slot private to its module.
 */
export interface Slot<T> {
  readonly name: string
  readonly initial: T
  /** `stream`: gone with the stream. `resume`: kept when the session is resumed. */
  readonly survives: 'stream' | 'resume'
}

export function slot<T>(name: string, initial: T, survives: 'stream' | 'resume' = 'resume'): Slot<T> {
  return Object.freeze({ name, initial, survives })
}

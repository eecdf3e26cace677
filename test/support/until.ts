/** Waits for what another process does; fails with the sentence of what did not happen. */
import { setTimeout as sleep } from 'node:timers/promises'

/** Longer than a fence and a rejoin take together on a busy machine. */
const PATIENCE_MS = 30_000

type Seen<T> = Exclude<NonNullable<T>, false>

export async function until<T>(what: string, look: () => T | Promise<T>, patienceMs = PATIENCE_MS): Promise<Seen<T>> {
  const giveUp = performance.now() + patienceMs
  for (;;) {
    const seen = await look()
    if (seen !== undefined && seen !== null && seen !== false) return seen as Seen<T>
    if (performance.now() > giveUp) throw new Error(`did not happen within ${patienceMs} ms: ${what}`)
    await sleep(25)
  }
}

/** Counts what ran and what was right, for each transport, and prints it: nothing is skipped in silence. */
import { afterAll, test } from '@jest/globals'
import { IDS } from './corpus/ids.js'
import { NOT_YET } from './corpus/not-yet.js'

export class Tally {
  readonly #ran = new Map<string, { right: number, all: number }>()

  constructor(private readonly title: string) {
    afterAll(() => { process.stdout.write(this.text()) })
  }

  /** One test that counts, under the name of its transport. */
  test(name: string, transport: string, run: () => Promise<void>, patienceMs?: number): void {
    const count = this.#ran.get(transport) ?? { right: 0, all: 0 }
    this.#ran.set(transport, count)
    count.all++
    test(name, async () => {
      await run()
      count.right++
    }, patienceMs)
  }

  text(): string {
    const lines = [...this.#ran].map(([transport, { right, all }]) => `  ${transport.padEnd(12)} ${right} of ${all}`)
    return `bad input, ${this.title}:\n${lines.join('\n')}\n`
  }
}

/** What the corpus has and this tree cannot meet yet, by reason. */
export function notYetText(): string {
  const byReason = new Map<string, string[]>()
  for (const [id, reason] of NOT_YET) byReason.set(reason, [...byReason.get(reason) ?? [], id])
  const lines = [...byReason].map(([reason, ids]) => `  ${reason}: ${ids.length} (${ids.join(' ')})`)
  return `bad input: ${IDS.length} rows, ${IDS.length - NOT_YET.size} run, ${NOT_YET.size} not yet\n${lines.join('\n')}\n`
}

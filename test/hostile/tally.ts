/**
 * Counts what ran and what was right, by row and form, and hands it to the run's table (`table.cjs`): nothing is skipped in
 * silence. The canaries' pings are kept beside.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, test } from '@jest/globals'
import { IDS } from './corpus/ids.js'
import { ELSEWHERE } from './corpus/elsewhere.js'
import { NOT_YET } from './corpus/not-yet.js'
import { PINGS } from './pings.js'

/** Where a row is played: over a transport for clients, over a link of nodes, at the start of a node, against its machine. */
export type Ground = 'tcp' | 'starttls' | 'tls' | 'websocket' | 'bosh' | 'link' | 'start' | 'machine'

interface Count {
  right: number
  all: number
}

/** Of this run; `global-teardown.js` removes it. */
const tallyDirectory = (): string => join(tmpdir(), `starling-test-${process.env['STARLING_TEST_RUN']}`)

export class Tally {
  /** Cases by row and ground. */
  readonly #ran = new Map<string, Count>()

  constructor(title: string) {
    afterAll(() => { tell(title, { ran: [...this.#ran], pings: PINGS.told() }) })
  }

  /** One test that counts for the row that its name begins with. */
  test(name: string, ground: Ground, run: () => Promise<void>, patienceMs?: number): void {
    const key = `${/^[A-Z]\d\d(?= )/.exec(name)?.[0] ?? 'more'} ${ground}`
    const count = this.#ran.get(key) ?? { right: 0, all: 0 }
    this.#ran.set(key, count)
    count.all++
    test(name, async () => {
      await run()
      count.right++
    }, patienceMs)
  }
}

/** What the corpus has and this tree cannot meet yet, by reason. */
export function tellNotYet(): void {
  const byReason = new Map<string, string[]>()
  for (const [id, reason] of NOT_YET) byReason.set(reason, [...byReason.get(reason) ?? [], id])
  const lines = [...byReason].map(([reason, ids]) => `  ${reason}: ${ids.length} (${ids.join(' ')})`)
  const elsewhere = ELSEWHERE.map(({ id, file }) => `${id} ${file}`)
  const played = IDS.length - NOT_YET.size - ELSEWHERE.length
  tell('not yet', {
    notYet: [...NOT_YET.keys()], elsewhere: ELSEWHERE.map(({ id }) => id),
    text: [`${IDS.length} rows: ${played} played, ${ELSEWHERE.length} proved by tests of the parts, ${NOT_YET.size} not yet`,
      `  of the parts: ${elsewhere.join(', ')}`, ...lines]
  })
}

function tell(title: string, told: object): void {
  mkdirSync(tallyDirectory(), { recursive: true })
  writeFileSync(join(tallyDirectory(), `${title.replace(/\W/g, '-')}.tally`), JSON.stringify(told))
}

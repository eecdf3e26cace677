/** Statements that go to SQLite together: who waits for whom, and for how long. */
import { expect, test } from '@jest/globals'
import { Batches } from '../../src/storage/batches.js'
import type { SqliteStatement } from '../../src/storage/sqlite-connection.js'
import { HandClock } from '../telemetry/hand-clock.js'

const read = (n: number): SqliteStatement => ({ sql: `select ${n}`, bindings: [] })
const turn = (): Promise<void> => new Promise((done) => { setImmediate(done) })

/** Runs one batch after another, as a connection does. */
function connection() {
  const clock = new HandClock()
  const sizes: number[] = []
  let last: Promise<unknown> = Promise.resolve()
  const batches = new Batches(clock, async (take) => {
    const before = last
    const mine = before.then(take)
    last = mine
    const statements = await mine
    sizes.push(statements.length)
    return statements.map(() => ({}))
  })
  return { batches, sizes, clock }
}

/** @returns in how many turns of the event loop it leaves, when `each` is called at the end of every one */
async function leavesAfter({ batches, sizes }: ReturnType<typeof connection>, each: () => void = () => undefined): Promise<number> {
  const had = sizes.length
  void batches.add(read(0))
  let turns = 0
  while (sizes.length === had) {
    await turn()
    turns++
    each()
  }
  return turns
}

const some = (on: ReturnType<typeof connection>, count: number): Promise<unknown> =>
  Promise.all(Array.from({ length: count }, (_, n) => on.batches.add(read(n))))

test('what is asked for in one turn goes together', async () => {
  const on = connection()
  await some(on, 5)
  expect(on.sizes).toEqual([5])
})

test('a statement alone leaves at the end of its turn; after a batch of many, the next one waits for company', async () => {
  const on = connection()
  const alone = await leavesAfter(on)
  await some(on, 10)
  const after = await leavesAfter(on)
  expect(after - alone).toBe(9)
  expect(await leavesAfter(on)).toBe(alone)
})

test('no batch waits for more than 16 turns', async () => {
  const on = connection()
  const alone = await leavesAfter(on)
  await some(on, 60)
  expect(await leavesAfter(on) - alone).toBe(15)
})

test('nor for more than 4 ms, where turns are long', async () => {
  const on = connection()
  const alone = await leavesAfter(on)
  await some(on, 16)
  expect(await leavesAfter(on, () => { on.clock.move(1) }) - alone).toBe(3)
})

test('a full one leaves at once, and takes nobody else', async () => {
  const on = connection()
  const alone = await leavesAfter(on)
  await some(on, 40)
  const others = some(on, 99)
  expect(await leavesAfter(on)).toBe(alone)
  await others
  await some(on, 130)
  expect(on.sizes).toEqual([1, 40, 100, 100, 30])
})

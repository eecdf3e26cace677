/** New connections begin a few in each turn of the event loop (limits, E.3: those who are in are served first). */
import { expect, test } from '@jest/globals'
import { BEGIN_PER_TURN, Entrance } from '../../src/transport/entrance.js'

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

test('E.3 so many begin at once, the others in their order in the turns after, as many in each', async () => {
  const entrance = new Entrance()
  const begun: number[] = []
  for (let n = 0; n < 3 * BEGIN_PER_TURN; n++) entrance.enter(() => { begun.push(n) })
  for (const turns of [1, 2, 3]) {
    expect(begun).toEqual(Array.from({ length: turns * BEGIN_PER_TURN }, (_, n) => n))
    await turn()
  }
})

test('E.3 what others do comes between', async () => {
  const entrance = new Entrance()
  const order: string[] = []
  for (let n = 0; n <= BEGIN_PER_TURN; n++) entrance.enter(() => { order.push('new') })
  setImmediate(() => { order.push('session') })
  await turn()
  await turn()
  expect(order.indexOf('session')).toBe(BEGIN_PER_TURN + 1)
  expect(order).toHaveLength(BEGIN_PER_TURN + 2)
})

test('E.3 one by one, nobody waits', async () => {
  const entrance = new Entrance()
  for (let n = 0; n < 4; n++) {
    let begun = 0
    for (let more = 0; more < BEGIN_PER_TURN; more++) entrance.enter(() => { begun++ })
    expect(begun).toBe(BEGIN_PER_TURN)
    await turn()
  }
})

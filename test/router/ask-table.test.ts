/** Questions by number, and the flows that wait for their answers (zero-loss design D.7b, M8). */
import { describe, expect, test } from '@jest/globals'
import { AskTable, type Question } from '../../src/router/ask-table.js'
import { Backpressure } from '../../src/router/backpressure.js'
import type { Verdict } from '../../src/router/envelope.js'
import { HandClock } from '../stream/hand-clock.js'

const [a, b] = [{ name: 'a', incarnation: 1 }, { name: 'b', incarnation: 1 }]

class Asked implements Question {
  ask = 0
  since = 0
  readonly heard: string[] = []

  constructor(readonly node: typeof a) {}

  answered(verdict: Verdict): void {
    this.heard.push(verdict.kind)
  }

  gone(): void {
    this.heard.push('gone')
  }
}

describe('the table of questions', () => {
  const ask = (table: AskTable, node: typeof a): Asked => {
    const asked = new Asked(node)
    table.put(asked)
    return asked
  }

  test('an answer counts once, and only from the life that was asked', () => {
    const table = new AskTable(new HandClock())
    const asked = ask(table, a)
    table.answered(b, asked.ask, { kind: 'accept' })
    table.answered({ ...a, incarnation: 2 }, asked.ask, { kind: 'accept' })
    expect(asked.heard).toEqual([])
    table.answered({ ...a }, asked.ask, { kind: 'none' })
    table.answered(a, asked.ask, { kind: 'accept' })
    expect([asked.heard, table.size]).toEqual([['none'], 0])
  })

  test('a question that stays open while a hundred thousand others are answered is answered all the same', () => {
    const table = new AskTable(new HandClock())
    const slow = [ask(table, b), ask(table, b), ask(table, b)] as const
    for (let i = 0; i < 100_000; i++) table.answered(a, ask(table, a).ask, { kind: 'accept' })
    expect(table.size).toBe(3)
    table.answered(b, slow[0].ask, { kind: 'accept' })
    table.drop(slow[1].ask)
    table.answered(b, slow[1].ask, { kind: 'accept' })
    table.lost(b)
    expect([slow.map(({ heard }) => heard), table.size]).toEqual([[['accept'], [], ['gone']], 0])
  })
})

test('M8 a session with nothing open is not held back, however full a channel is', () => {
  const pressure = new Backpressure(new HandClock())
  pressure.opened('one', 100)
  pressure.closed('one', 100)
  pressure.full(a)
  expect(pressure.room('one')).toBeUndefined()
  pressure.sweep()
  expect([pressure.room('one'), pressure.openBytes]).toEqual([undefined, 0])
})

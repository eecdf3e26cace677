/** A dead database is answered at once (cluster.md: the database away while running). */
import { beforeEach, describe, expect, test } from '@jest/globals'
import { Breaker, type DatabaseState } from '../../src/storage/breaker.js'
import { handClock, type HandClock } from './hand-clock.js'

describe('the breaker', () => {
  let clock: HandClock
  let probes: number
  let alive: boolean
  let breaker: Breaker
  let states: DatabaseState[]
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

  beforeEach(() => {
    clock = handClock()
    probes = 0
    alive = false
    breaker = new Breaker(clock, () => {
      probes++
      return alive ? Promise.resolve() : Promise.reject(new Error('away'))
    })
    states = []
    breaker.onState((state) => states.push(state))
  })

  const fail = (times: number): void => {
    for (let n = 0; n < times; n++) breaker.failed()
  }

  test('opens after five failures in a row, not after five in all', () => {
    fail(4)
    breaker.worked()
    fail(4)
    breaker.pass()
    breaker.failed()
    expect(() => breaker.pass()).toThrow('away')
    expect(states).toEqual(['away'])
  })

  test('closes when a probe succeeds, and probes no more', async () => {
    fail(5)
    clock.tick()
    await settle()
    expect(breaker.state).toBe('away')
    alive = true
    clock.tick()
    await settle()
    expect(breaker.state).toBe('up')
    expect(states).toEqual(['away', 'up'])
    expect(probes).toBe(2)
    expect(clock.running).toBe(0)
  })

  test('a probe that hangs is not joined by a second one', async () => {
    let answer = (): void => {}
    breaker = new Breaker(clock, () => {
      probes++
      return new Promise((resolve) => {
        answer = resolve
      })
    })
    fail(5)
    clock.tick()
    clock.tick()
    expect(probes).toBe(1)
    answer()
    await settle()
    expect(breaker.state).toBe('up')
  })

  test('after its end nothing runs and nobody is called', () => {
    fail(5)
    breaker.close()
    expect(clock.running).toBe(0)
    breaker.worked()
    expect(states).toEqual(['away'])
  })
})

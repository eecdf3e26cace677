/** Logs: levels of rooms, secrets, caps (0.3 point 5 of the bad-input corpus), text for people. */
import { describe, expect, test } from '@jest/globals'
import { LineCap, type Capped } from '../../src/telemetry/line-cap.js'
import { createLogs, type LogOptions } from '../../src/telemetry/pino-log.js'
import { textLine } from '../../src/telemetry/text-line.js'
import { HandClock } from './hand-clock.js'

function logs(options: Partial<LogOptions> = {}) {
  const lines: string[] = []
  const clock = new HandClock()
  const made = createLogs({ level: 'info', format: 'json', clock, destination: { write: (line) => lines.push(line) }, ...options })
  return { made, clock, lines, fields: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) }
}

describe('a line', () => {
  test('is JSON with time, level, room and a fixed event', () => {
    const { made, fields } = logs({ base: { node: 'n1' } })
    made.room('stream').child({ ip: '192.0.2.1' }).info({ reason: 'timeout' }, 'stream.closed')
    expect(fields()).toEqual([{ level: 'info', time: '2023-11-14T22:13:20.000Z', node: 'n1', room: 'stream', ip: '192.0.2.1',
      reason: 'timeout', event: 'stream.closed' }])
  })

  test('never carries a secret', () => {
    const { made, lines } = logs()
    made.room('x').child({ password: 'hush' }).info({ token: 'hush', login: { secret: 'hush', user: 'u' } }, 'x')
    expect(lines.join('')).not.toContain('hush')
    expect(lines.join('')).toContain('"user":"u"')
  })

  test('strikes out a secret in an error, too, and changes nothing of what it was given', () => {
    const { made, fields } = logs()
    const err = Object.assign(new Error('no'), { token: 'hush', code: 7 })
    const given = { err, salt: 'hush', login: { cookie: 'hush' }, list: [1], none: null }
    made.room('x').error(given, 'x')
    expect(fields()).toEqual([expect.objectContaining({
      err: { type: 'Error', message: 'no', stack: err.stack, token: '***', code: 7 }, salt: '***', login: { cookie: '***' }, list: [1], none: null
    })])
    expect([err.token, given.salt, given.login.cookie]).toEqual(['hush', 'hush', 'hush'])
  })

  test('has the stack of an error without secrets', () => {
    const { made, fields } = logs()
    const err = new Error('no')
    made.room('x').error({ err }, 'x')
    expect(fields()).toEqual([expect.objectContaining({ err: { type: 'Error', message: 'no', stack: err.stack } })])
  })

  test('keeps line breaks and control characters inside', () => {
    const { made, lines } = logs()
    made.room('x').info({ given: 'a\nb\u001b[31m' }, 'x')
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^[^\n]*a\\nb\\u001b\[31m[^\n]*\n$/)
  })

  test('below the level is not written; --debug lowers the level of one room', () => {
    const { made, lines } = logs({ debugRooms: new Set(['cluster']) })
    made.room('stream').debug({}, 'no')
    made.room('cluster').debug({}, 'yes')
    made.room('cluster').child({ a: 1 }).trace({}, 'no')
    expect(lines).toHaveLength(1)
    expect(made.room('stream').isLevelEnabled('debug')).toBe(false)
    expect(made.room('cluster').isLevelEnabled('debug')).toBe(true)
  })
})

describe('lines of one kind from one address', () => {
  test('are ten a minute, then one that counts the rest', () => {
    const { made, clock, fields } = logs()
    const log = made.room('stream')
    for (let i = 0; i < 25; i++) log.warn({ ip: '192.0.2.1' }, 'login.failed')
    for (let i = 0; i < 3; i++) log.child({ ip: '192.0.2.2' }).warn({}, 'login.failed')
    log.info({ ip: '192.0.2.1' }, 'stream.closed')
    expect(fields()).toHaveLength(14)
    clock.move(70_000)
    expect(fields().slice(14)).toMatchObject([{ event: 'log.capped', ip: '192.0.2.1', suppressed: 15 }])
    log.warn({ ip: '192.0.2.1' }, 'login.failed')
    expect(fields()).toHaveLength(16)
  })

  test('are not capped for exempt addresses, nor without an address, nor at level debug', () => {
    const { made, lines } = logs({ exempt: (ip) => ip === '127.0.0.1', level: 'debug' })
    for (let i = 0; i < 20; i++) {
      made.room('x').info({ ip: '127.0.0.1' }, 'a')
      made.room('x').info({}, 'b')
      made.room('x').debug({ ip: '192.0.2.1' }, 'c')
    }
    expect(lines).toHaveLength(60)
  })

  test('share one count when there are more addresses than are remembered', () => {
    const clock = new HandClock()
    const told: Capped[] = []
    const cap = new LineCap(clock, () => false, (capped) => told.push(capped))
    const passed = Array.from({ length: 10_050 }, (_, i) => {
      if (i % 200 === 0) clock.move(1000)
      return cap.passes('a', `2001:db8::${i.toString(16)}`)
    })
    expect(passed.filter((one) => !one)).toHaveLength(40)
    cap.stop()
    expect(told).toEqual([{ event: 'a', ip: 'others', suppressed: 40 }])
  })
})

describe('all lines', () => {
  test('are 200 a second, then counted', () => {
    const { made, clock, fields } = logs()
    for (let i = 0; i < 250; i++) made.room('x').info({}, 'a')
    expect(fields()).toHaveLength(200)
    clock.move(10_000)
    expect(fields().at(-1)).toMatchObject({ event: 'log.capped', suppressed: 50 })
  })

  test('errors of ours are never left out', () => {
    const { made, lines } = logs()
    for (let i = 0; i < 250; i++) made.room('x').error({}, 'bug')
    expect(lines).toHaveLength(250)
  })

  test('stopping says what was left out so far', () => {
    const { made, fields } = logs()
    for (let i = 0; i < 12; i++) made.room('x').info({ ip: '192.0.2.1' }, 'a')
    made.stop()
    expect(fields().at(-1)).toMatchObject({ event: 'log.capped', suppressed: 2 })
  })
})

describe('text for people', () => {
  test('time, level, room, event, fields, the stack below', () => {
    const { made, lines } = logs({ format: 'text' })
    made.room('storage').warn({ file: '/a b', n: 3, err: new Error('boo') }, 'database.away')
    expect(lines[0]).toMatch(/^22:13:20\.000 WARN {2}storage {3}database\.away file="\/a b" n=3\n {4}Error: boo\n/)
  })

  test('what is no JSON is passed on', () => {
    expect(textLine('plain\n')).toBe('plain\n')
  })
})

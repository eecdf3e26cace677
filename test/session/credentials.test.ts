import { lookup } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { describe, expect, test } from '@jest/globals'
import { Credentials, PasswordRefused } from '../../src/session/credentials.js'
import { HashQueue } from '../../src/session/hash-queue.js'
import { SaslFailure } from '../../src/stream/authenticator.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { HandClock } from '../stream/hand-clock.js'
import { ITERATIONS, MemoryAccounts, memoryLog, Rig } from '../stream/rig.js'

const conditionOf = async (login: Promise<unknown>): Promise<string> =>
  login.then(() => 'success', (error: unknown) => error instanceof SaslFailure ? error.condition : String(error))

describe('passwords', () => {
  test('are kept as keys of all three hashes, with a salt of 16 bytes, never as text', async () => {
    const keys = await new Rig().credentials.keysFor('secret')
    expect(keys.map(({ hash, iterations, salt, storedKey }) => [hash, iterations, salt.length, storedKey.length])).toEqual(
      [['SHA-1', ITERATIONS, 16, 20], ['SHA-256', ITERATIONS, 16, 32], ['SHA-512', ITERATIONS, 16, 64]])
    expect(JSON.stringify(keys)).not.toContain('secret')
  })

  test('are prepared: a soft hyphen is nothing, a Roman numeral its letters (RFC 4013 §3)', async () => {
    const { credentials } = new Rig()
    await credentials.create(parseJid('alice@im.test'), 'I\u00adX')
    expect(await conditionOf(credentials.plain('alice', 'im.test', '\u2168'))).toBe('success')
  })

  test.each(['', '\u0007', 'x'.repeat(1025)])('%j cannot be one', async (password) => {
    await expect(new Rig().credentials.keysFor(password)).rejects.toThrow(PasswordRefused)
  })

  test('a new one counts at once, the old one no more', async () => {
    const rig = new Rig()
    await rig.user('alice@im.test', 'old')
    const account = await rig.accounts.find(parseJid('alice@im.test'))
    if (account !== undefined) await rig.credentials.setPassword(account, 'new')
    expect(await conditionOf(rig.credentials.plain('alice', 'im.test', 'old'))).toBe('not-authorized')
    expect(await conditionOf(rig.credentials.plain('alice', 'im.test', 'new'))).toBe('success')
  })

  test('an account is of one domain', async () => {
    const rig = new Rig()
    await rig.user('alice@im.test')
    expect(await conditionOf(rig.credentials.plain('alice', 'other.test', 'secret'))).toBe('not-authorized')
  })

  test('can be shown again by who has logged in; when the store fails nobody can say', async () => {
    const rig = new Rig()
    await rig.user('alice@im.test', 'right')
    const alice = { id: 1, jid: parseJid('alice@im.test') }
    expect(await rig.credentials.check(alice, 'right')).toBe(true)
    expect(await rig.credentials.check(alice, 'wrong')).toBe(false)
    rig.accounts.find = () => Promise.reject(new Error('away'))
    await expect(rig.credentials.check(alice, 'right')).rejects.toMatchObject({ name: 'StanzaError', type: 'wait' })
  })

  test('creating an account that exists says so', async () => {
    const rig = new Rig()
    await rig.user('alice@im.test', 'first')
    expect(await rig.credentials.create(parseJid('alice@im.test'), 'second')).toBeUndefined()
    expect(await conditionOf(rig.credentials.plain('alice', 'im.test', 'first'))).toBe('success')
  })
})

describe('the queue of hashing', () => {
  const open = (): { readonly job: () => Promise<void>; readonly finish: () => void; readonly started: () => number } => {
    const waiting: (() => void)[] = []
    let count = 0
    return {
      job: () => new Promise((resolve) => { count++; waiting.push(resolve) }),
      finish: () => waiting.shift()?.(),
      started: () => count
    }
  }

  test('runs so many, lets so many wait, refuses the rest, and goes on in order', async () => {
    const queue = new HashQueue(2, 3)
    const { job, finish, started } = open()
    const jobs = Array.from({ length: 6 }, () => queue.run(job))
    expect(jobs.map((running) => running === undefined)).toEqual([false, false, false, false, false, true])
    expect(started()).toBe(2)
    for (const running of jobs) {
      finish()
      await running
    }
    expect(started()).toBe(5)
    expect(queue.run(job)).toBeDefined()
  })

  test('a place is free again after a job that failed', async () => {
    const queue = new HashQueue(1, 1)
    await expect(queue.run(() => Promise.reject(new Error('x')))).rejects.toThrow('x')
    await expect(queue.run(() => Promise.resolve(7))).resolves.toBe(7)
  })
})

/** Counts what is hashed. */
class CountingQueue extends HashQueue {
  jobs = 0

  override run<T>(job: () => Promise<T>): Promise<T> | undefined {
    this.jobs++
    return super.run(job)
  }
}

function node(accounts: MemoryAccounts, parts: { readonly iterations?: number; readonly queue?: HashQueue } = {}): Credentials {
  const fixed = { clock: new HandClock(), log: memoryLog([]), secret: Buffer.alloc(32, 9), iterations: ITERATIONS }
  return new Credentials({ accounts, ...fixed, ...parts })
}

describe('A16: nobody learns who has an account', () => {
  test('each wrong login costs one hash: of nobody, of the disabled, with a wrong password, with one that cannot be', async () => {
    const accounts = new MemoryAccounts()
    const queue = new CountingQueue()
    const credentials = node(accounts, { queue })
    for (const name of ['alice', 'locked']) await credentials.create(parseJid(`${name}@im.test`), 'secret')
    accounts.change(parseJid('locked@im.test'), { disabled: true })
    for (const [name, password] of [['nosuch', 'x'], ['a b', 'x'], ['locked', 'x'], ['alice', 'x'], ['alice', '\u0007'], ['nosuch', '\u0007']] as const) {
      queue.jobs = 0
      expect(await conditionOf(credentials.plain(name, 'im.test', password))).toBe('not-authorized')
      expect(queue.jobs).toBe(1)
    }
  })

  test('every node says the same of nobody: salt and rounds, for each spelling of the name and each hash', async () => {
    const [one, other] = [node(new MemoryAccounts()), node(new MemoryAccounts())]
    for (const hash of one.hashes) {
      const { keys, identity } = await one.scram('nosuch', 'im.test', hash)
      expect(identity).toBeUndefined()
      expect(keys.iterations).toBe(ITERATIONS)
      expect((await other.scram('NoSuch', 'im.test', hash)).keys).toEqual(keys)
      expect((await one.scram('nosuch', 'other.test', hash)).keys.salt).not.toEqual(keys.salt)
    }
  })

  test('an account without keys of a hash looks like nobody, and has the same mechanisms', async () => {
    const accounts = new MemoryAccounts()
    const credentials = node(accounts)
    const all = await credentials.keysFor('secret')
    await accounts.create(parseJid('old@im.test'), all.filter(({ hash }) => hash === 'SHA-1'))
    const seen = await credentials.scram('old', 'im.test', 'SHA-512')
    expect(seen).toMatchObject({ identity: undefined, keys: { iterations: ITERATIONS } })
    expect((await credentials.scram('old', 'im.test', 'SHA-1')).identity?.jid.toString()).toBe('old@im.test')
  })
})

describe('A15: hashing as a weapon', () => {
  test('500 logins at once: 3 hash and 100 wait, the rest hears temporary-auth-failure, and others are served meanwhile', async () => {
    const accounts = new MemoryAccounts()
    const credentials = node(accounts, { iterations: 10_000 })
    await credentials.create(parseJid('alice@im.test'), 'secret')
    const delay = monitorEventLoopDelay({ resolution: 5 })
    delay.enable()
    const logins = Array.from({ length: 500 }, () => conditionOf(credentials.plain('alice', 'im.test', 'secret')))
    const startedAt = performance.now()
    await Promise.all([readFile(import.meta.filename), lookup('localhost')])      // they share the threads
    const othersMs = performance.now() - startedAt
    const ends = await Promise.all(logins)
    delay.disable()
    expect(ends.filter((end) => end === 'temporary-auth-failure')).toHaveLength(397)
    expect(ends.filter((end) => end === 'success')).toHaveLength(103)
    expect(delay.max / 1e6).toBeLessThan(200)
    expect(othersMs).toBeLessThan(500)
  }, 30_000)
})

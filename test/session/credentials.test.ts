import { describe, expect, test } from '@jest/globals'
import { PasswordRefused } from '../../src/session/credentials.js'
import { HashQueue } from '../../src/session/hash-queue.js'
import { SaslFailure } from '../../src/stream/authenticator.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { ITERATIONS, Rig } from '../stream/rig.js'

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

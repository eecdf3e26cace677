import { describe, expect, test } from '@jest/globals'
import { StorageError } from '../../src/storage/store.js'
import { StanzaError } from '../../src/xmpp/errors.js'
import { Rig, type RigOptions } from '../stream/rig.js'

const HOUR_MS = 3_600_000

const wanted = (username: string, address = '192.0.2.1') => ({ username, domain: 'im.test', password: 'pencil', address })
const open = (options: RigOptions = {}): Rig => new Rig({ open: { 'im.test': 0 }, ...options })
const outcome = (rig: Rig, username: string, address?: string): Promise<string> =>
  rig.registration.register(wanted(username, address)).catch((error: unknown) => {
    if (error instanceof StanzaError) return `${error.type} ${error.condition}`
    throw error
  })

const TOO_MANY = 'wait resource-constraint'
const CONFLICT = 'cancel conflict'

describe('names and passwords', () => {
  test('what is stored is the prepared name, and a password that SASLprep knows (RFC 8265 §3.3, RFC 4013)', async () => {
    const rig = open()
    expect(await rig.registration.register({ ...wanted('ＢＩＬＬ'), password: 'I\u00adX' })).toBe('bill@im.test')
    expect((await rig.credentials.plain('bill', 'im.test', '\u2168')).jid.toString()).toBe('bill@im.test')
  })

  test('of two who want one name at once one gets it', async () => {
    const rig = open()
    const both = await Promise.all([outcome(rig, 'bill', '192.0.2.1'), outcome(rig, 'bill', '192.0.2.2')])
    expect(both.sort()).toEqual(['bill@im.test', CONFLICT])
  })
})

describe('limits (XEP-0077 §3.1.1)', () => {
  test('one account an address an hour; an IPv6 client is its /64', async () => {
    const rig = open()
    expect(await outcome(rig, 'a', '2001:db8:1:2::9')).toBe('a@im.test')
    expect(await outcome(rig, 'b', '2001:db8:1:2::10')).toBe(TOO_MANY)
    expect(await outcome(rig, 'b', '2001:db8:1:3::9')).toBe('b@im.test')
    rig.clock.advance(HOUR_MS)
    expect(await outcome(rig, 'c', '2001:db8:1:2::10')).toBe('c@im.test')
  })

  test('nobody overtakes: two at once from one address make one account', async () => {
    const rig = open()
    expect(await Promise.all(['a', 'b'].map((name) => outcome(rig, name)))).toEqual(['a@im.test', TOO_MANY])
  })

  test('what was refused is not counted', async () => {
    const rig = open()
    await rig.user('alice@im.test')
    expect(await outcome(rig, 'alice')).toBe(CONFLICT)
    expect(await outcome(rig, 'bill')).toBe('bill@im.test')
  })

  test('so many in all a day', async () => {
    const rig = open({ registration: { registrationsPerDay: 2 } })
    const from = (n: number): Promise<string> => outcome(rig, `n${n}`, `192.0.2.${n}`)
    expect([await from(1), await from(2), await from(3)]).toEqual(['n1@im.test', 'n2@im.test', TOO_MANY])
    rig.clock.advance(24 * HOUR_MS)
    expect(await from(3)).toBe('n3@im.test')
  })

  test('exempt addresses are not counted', async () => {
    const rig = open({ registration: { registrationsPerDay: 1 } })
    expect([await outcome(rig, 'a', '127.0.0.1'), await outcome(rig, 'b', '127.0.0.1')]).toEqual(['a@im.test', 'b@im.test'])
    expect(await outcome(rig, 'c')).toBe('c@im.test')
  })

  test('a domain with as many accounts as it may have takes no more', async () => {
    const rig = open({ open: { 'im.test': 2 } })
    await rig.user('alice@im.test')
    expect([await outcome(rig, 'a', '127.0.0.1'), await outcome(rig, 'b', '127.0.0.1')]).toEqual(['a@im.test', 'cancel not-allowed'])
  })
})

test('while the database is away people are told to wait, the operator why, and it is not counted', async () => {
  const rig = open()
  rig.accounts.weather = () => Promise.reject(new StorageError('away', 'away'))
  expect(await outcome(rig, 'bill')).toBe(TOO_MANY)
  expect(rig.lines.map(({ event }) => event)).toEqual(['registration.store-failed'])
  rig.accounts.weather = () => Promise.resolve()
  expect(await outcome(rig, 'bill')).toBe('bill@im.test')
})

/** Changes of values that nobody waits for: together with others, or at the next look. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { openStore } from '../../src/storage/open.js'
import type { AccountRecord } from '../../src/storage/store.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { handClock } from './hand-clock.js'
import { opened, type Opened } from './opened.js'

const ROMEO = parseJid('romeo@example.com')
const plus = (text: string) => (value = ''): string => value + text

describe('notes', () => {
  let open: Opened
  let romeo: AccountRecord

  beforeEach(async () => {
    open = await opened('sqlite')
    const made = await open.store.accounts.create(ROMEO, [])
    if (made === undefined) throw new Error('no account')
    romeo = made
  })
  afterEach(() => open.end())

  test('the next look from this node sees what was noted', async () => {
    open.store.values.note(romeo, 'mood', () => 'in love')
    expect(await open.store.values.get(romeo, 'mood')).toBe('in love')
    expect(await open.store.values.get(romeo, 'mood')).toBe('in love')
  })

  test('notes and changes of one value are made in the order in which they came', async () => {
    const { values } = open.store
    values.note(romeo, 'order', plus('a'))
    values.note(romeo, 'order', plus('b'))
    const changed = values.update(romeo, 'order', plus('c'))
    values.note(romeo, 'order', plus('d'))
    expect(await changed).toBe('abc')
    expect(await values.get(romeo, 'order')).toBe('abcd')
  })

  test('what another node made of a value meanwhile is what the next note gets, and so is nothing', async () => {
    const { values } = open.store
    const noted = async (change: (value?: string) => string | undefined): Promise<string | undefined> => {
      values.note(romeo, 'mood', change)
      return values.get(romeo, 'mood')
    }
    expect(await noted(plus('a'))).toBe('a')
    expect(await noted(plus('b'))).toBe('ab')
    const other = await openStore(open.fresh.settings, open.log, handClock())
    await other.store.values.set(romeo, 'mood', 'x')
    expect(await noted((value) => (value === 'ab' ? value : `${value}y`))).toBe('xy')
    await other.store.values.remove(romeo, 'mood')
    expect(await noted((value) => (value === undefined ? undefined : 'late'))).toBeUndefined()
    await other.close()
  })

  test('what is noted is made before the store is closed', async () => {
    const { settings } = open.fresh
    const other = await openStore(settings, open.log, handClock())
    other.store.values.note(romeo, 'mood', () => 'sad')
    await other.close()
    expect(await open.store.values.get(romeo, 'mood')).toBe('sad')
  })

  test('a change that says what stands there writes nothing, and nothing is left behind when there was nothing', async () => {
    open.store.values.note(romeo, 'mood', () => undefined)
    expect(await open.store.values.get(romeo, 'mood')).toBeUndefined()
  })

  test('a fault is told to the operator, and to nobody else', async () => {
    await open.store.accounts.remove(ROMEO)
    open.store.values.note(romeo, 'mood', () => 'dead')
    await expect(open.store.values.get(romeo, 'mood')).rejects.toThrow()
    expect(open.log.lines.map(({ event }) => event)).toContain('value.not-noted')
  })
})

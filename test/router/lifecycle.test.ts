/** Devices and lives from bind to end; what waits for the log, for storage, for each other. Zero-loss design D.6, D.7b. */
import { describe, expect, test } from '@jest/globals'
import { broadcast, drop, plugin, send, stored } from '../../src/pipeline/api.js'
import offline from '../../src/plugins/offline.js'
import type { Strategy } from '../../src/router/strategy.js'
import type { StableLog } from '../../src/session/stable-log.js'
import { StorageError } from '../../src/storage/store.js'
import { xml } from '../../src/xml/element.js'
import { StanzaError } from '../../src/xmpp/errors.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { Stanza } from '../../src/xmpp/stanza.js'
import { MemoryStore } from '../plugins/memory-store.js'
import { aloneStrategy } from './alone.js'
import { FakeNet } from './fake-net.js'
import { quiet, Rig } from './rig.js'

const ACCOUNTS = ['romeo@im.test', 'juliet@im.test', 'nurse@im.test']
const JULIET = parseJid('juliet@im.test')

function storeOf(): MemoryStore {
  const store = new MemoryStore()
  for (const account of ACCOUNTS) store.add(parseJid(account))
  return store
}

const say = (body: string): string => `<message type='chat' to='juliet@im.test'><body>${body}</body></message>`
const body = (text: string): string => `message chat romeo@im.test/x > juliet@im.test <body>${text}</body>`
const toJuliet = plugin({ id: 'to-juliet', presence: { leaving: { copy: (s) => (s.to === undefined ? broadcast(s, [JULIET]) : []) } } })

describe('the fast path', () => {
  test('a message between two devices of one node, known accounts, no handler that waits, is synchronous to the end', async () => {
    const rig = new Rig({ plugins: [offline, toJuliet], store: storeOf() })
    const [romeo, juliet] = [await rig.binds('romeo@im.test/x'), await rig.binds('juliet@im.test/y', '<presence/>')]
    juliet.got()
    for (const to of ['juliet@im.test', 'juliet@im.test/y']) {
      expect(rig.writes(romeo, `<message type='chat' to='${to}'><body>hi</body></message>`)).toBeUndefined()
      expect(juliet.got()).toHaveLength(1)
    }
    expect(romeo.h).toBe(2)
    expect(rig.router.facts().open).toBe(0)
  })
})

describe('I1: stable before visible', () => {
  test('nothing is written, accepted or counted before the log has it, and all of it in order after', async () => {
    const held: (() => void)[] = []
    const log: StableLog = {
      append: (record) => (record.type === 'OUT' ? new Promise((resolve) => { held.push(resolve) }) : true)
    }
    const rig = new Rig({ plugins: [], store: storeOf(), stableLog: log })
    const [romeo, juliet] = [await rig.binds('romeo@im.test/x'), await rig.binds('juliet@im.test/y', '<presence/>')]
    for (const text of ['1', '2', '3']) await rig.sends(romeo, say(text))
    held[2]?.()
    held[1]?.()
    await quiet()
    expect([juliet.got(), romeo.h]).toEqual([[], 0])
    held[0]?.()
    await quiet()
    expect(juliet.got()).toEqual(['1', '2', '3'].map(body))
    expect(romeo.h).toBe(3)
  })
})

describe('a device becomes available', () => {
  test('what is stored comes first, then what arrived meanwhile; rows go when they are taken (D.7b, Bind)', async () => {
    const rig = new Rig({ plugins: [offline], store: storeOf() })
    const romeo = await rig.binds('romeo@im.test/x')
    await rig.sends(romeo, say('stored'))
    await quiet()
    const juliet = await rig.binds('juliet@im.test/y')
    const opening = rig.writes(juliet, '<presence/>')
    await rig.sends(romeo, say('live'))
    expect(juliet.got()).toEqual([])
    await opening
    await quiet()
    expect(juliet.stanzas().map((stanza) => stanza.elements()[0]?.text())).toEqual(['stored', 'live'])
    expect([await rig.store.offline.read(juliet.account), romeo.h, rig.router.facts().rowDeletes]).toEqual([[], 2, 0])
  })

  test('stanzas that wait for it are bounded: the one too many is answered wait', async () => {
    let ready = (): void => undefined
    const slow = plugin({ id: 'slow', life: { available: () => new Promise<void>((resolve) => { ready = resolve }) } })
    const rig = new Rig({ plugins: [slow], store: storeOf() })
    const [romeo, juliet] = [await rig.binds('romeo@im.test/x'), await rig.binds('juliet@im.test/y')]
    const opening = rig.writes(juliet, '<presence/>')
    await quiet()
    await rig.services.caches.findAccount(JULIET)
    for (let i = 1; i <= 401; i++) void rig.writes(romeo, say(String(i)))
    ready()
    await opening
    await quiet()
    expect(juliet.got()).toEqual(Array.from({ length: 400 }, (_, i) => body(String(i + 1))))
    expect(romeo.got().join()).toMatch(/type='wait'><resource-constraint/)
    expect(romeo.h).toBe(401)
  })

  test('a delete of rows that fails is tried again, and the device does not get them twice', async () => {
    const store = storeOf()
    const { remove } = store.offline
    let fails = 2
    Object.assign(store.offline, {
      remove: (...args: Parameters<typeof remove>) => (fails-- > 0 ? Promise.reject(new StorageError('away', 'away')) : remove(...args))
    })
    const rig = new Rig({ plugins: [offline], store })
    const romeo = await rig.binds('romeo@im.test/x')
    await rig.sends(romeo, say('once'))
    await quiet()
    const juliet = await rig.binds('juliet@im.test/y', '<presence/>')
    await rig.sends(juliet, '<presence><priority>-1</priority></presence>')
    await rig.sends(juliet, '<presence/>')
    await quiet()
    expect(juliet.stanzas().filter((stanza) => stanza.kind === 'message')).toHaveLength(1)
    expect(rig.router.facts().rowDeletes).toBe(1)
    for (let i = 0; i < 2; i++) {
      rig.clock.advance(2_000)
      await quiet()
    }
    expect([rig.router.facts().rowDeletes, await store.offline.read(juliet.account)]).toEqual([0, []])
  })

  test('a row that a handler gives twice, or under its key, is written once', async () => {
    const row = { row: 7, key: `${'a'.repeat(32)}:3:0`, stanza: '', at: 0 }
    const stanza = Stanza.of({ kind: 'message', from: parseJid('romeo@im.test/x') })
    const give = plugin({ id: 'give', life: { available: (device) => [stored(device, row, stanza), stored(device, row, stanza)] } })
    const rig = new Rig({ plugins: [give], store: storeOf() })
    const juliet = await rig.binds('juliet@im.test/y', '<presence/>')
    expect(juliet.stanzas()).toHaveLength(1)
    expect(juliet.watermarks.get('a'.repeat(32))?.last).toBe(3 * 256)
  })
})

describe('a device ends', () => {
  test('the router is busy until its contacts have heard of it', async () => {
    let said = (): void => undefined
    const slow = plugin({ id: 'slow', presence: { leaving: { keep: () => new Promise<void>((resolve) => { said = resolve }) } } })
    const rig = new Rig({ plugins: [slow], store: storeOf() })
    const romeo = await rig.binds('romeo@im.test/x')
    const shows = rig.writes(romeo, '<presence/>')
    await quiet()
    said()
    await shows
    expect(rig.router.busy).toBe(false)
    romeo.close(undefined, 'shutdown')
    await quiet()
    expect(rig.router.busy).toBe(true)
    said()
    await quiet()
    expect(rig.router.busy).toBe(false)
  })

  test('in the middle of its initial presence: nobody is left seeing it, and the strategy does not have it', async () => {
    const net = new FakeNet('caching', ['a', 'b'], [toJuliet], ACCOUNTS)
    const juliet = await net.node('b').rig.binds('juliet@im.test/y', '<presence/>')
    await net.settle()
    juliet.got()
    const { rig } = net.node('a')
    const romeo = await rig.binds('romeo@im.test/x')
    const changing = rig.writes(romeo, '<presence/>')
    romeo.close(undefined, 'connection-lost')
    await changing
    await net.settle()
    const seen = juliet.got()
    expect([undefined, 'presence unavailable romeo@im.test/x > juliet@im.test']).toContain(seen[seen.length - 1])
    expect([...rig.router.records()]).toEqual([])
    expect(rig.router.handler.devicesOf(romeo.jid)).toBe(0)
  })

  test('the next device of that name waits for its farewell', async () => {
    const order: string[] = []
    let end = (): void => undefined
    const slow = plugin({
      id: 'slow',
      life: {
        ended: () => new Promise<void>((resolve) => { end = resolve }).then(() => void order.push('ended')),
        bound: () => void order.push('bound')
      }
    })
    const rig = new Rig({ plugins: [slow], store: storeOf() })
    const first = await rig.binds('romeo@im.test/x', '<presence/>')
    first.close(undefined, 'connection-lost')
    await quiet()
    const second = rig.binds('romeo@im.test/x')
    await quiet()
    expect(order).toEqual(['bound'])
    end()
    await second
    expect(order).toEqual(['bound', 'ended', 'bound'])
  })

  test('its account is removed: devices are closed, handlers run, it is not found any more', async () => {
    const seen: string[] = []
    const watch = plugin({ id: 'a', life: { accountRemoved: (account) => void seen.push(account.jid.toString()) } })
    const rig = new Rig({ plugins: [watch], store: storeOf() })
    const juliet = await rig.binds('juliet@im.test/y', '<presence/>')
    await rig.store.accounts.remove(JULIET)
    await rig.router.removeAccount(juliet.account)
    expect([juliet.closed, seen]).toEqual(['account-removed not-authorized', ['juliet@im.test']])
    expect(await rig.services.caches.findAccount(JULIET)).toBeUndefined()
  })
})

describe('this life of the node is fenced', () => {
  test('the strategy forgets its devices: the next life must not name them again', async () => {
    const withdrawn: string[] = []
    const strategy: Strategy = { ...aloneStrategy, withdraw: ({ jid }) => { withdrawn.push(jid.toString()) } }
    const rig = new Rig({ plugins: [], store: storeOf(), strategy })
    await rig.binds('romeo@im.test/x')
    rig.sessions.abort('fenced')
    expect(withdrawn).toEqual(['romeo@im.test/x'])
  })

  test('clients go without a word to their contacts, nothing stays open, and the next life serves', async () => {
    const net = new FakeNet('broadcast', ['a', 'b'], [toJuliet], ACCOUNTS)
    const { rig, handlers } = net.node('a')
    const romeo = await rig.binds('romeo@im.test/x', '<presence/>')
    await net.settle()
    await rig.sends(romeo, say('open'))
    expect(rig.router.facts()).toMatchObject({ open: 1, asks: 1 })
    net.node('a').sent.length = 0
    handlers?.fenced()
    await quiet()
    expect([romeo.closed, net.node('a').sent, rig.router.facts()]).toEqual(
      ['fenced', [], { ...rig.router.facts(), open: 0, openBytes: 0, asks: 0, parked: 0, viewWaits: 0 }])
    const juliet = await rig.binds('juliet@im.test/y', '<presence/>')
    const again = await rig.binds('romeo@im.test/x')
    await rig.sends(again, say('hello'))
    await net.settle()
    expect(juliet.got()).toContain(body('hello'))
  })
})

describe('what handlers send', () => {
  test('a copy that its receiver refuses is answered to its own sender, not to the one who caused it (trap 17)', async () => {
    const copy = Stanza.of({ kind: 'message', to: parseJid('nurse@im.test'), from: parseJid('im.test') }, xml('body', {}, 'copy'))
    const rig = new Rig({
      plugins: [plugin({
        id: 'a',
        message: {
          leaving: { copy: () => [send(copy as typeof copy & { to: typeof JULIET })] },
          arriving: {
            guard: (stanza) => {
              if (stanza.to?.local === 'nurse') throw new StanzaError('cancel', 'service-unavailable')
            }
          }
        }
      })],
      store: storeOf()
    })
    const [romeo, juliet] = [await rig.binds('romeo@im.test/x'), await rig.binds('juliet@im.test/y', '<presence/>')]
    await rig.sends(romeo, say('hi'))
    await quiet()
    expect([romeo.got(), juliet.got(), romeo.h]).toEqual([[], [body('hi')], 1])
  })

  test('a broadcast runs each receiver\'s account half; one that drops or refuses it is left out without an error', async () => {
    const half = plugin({
      id: 'a',
      presence: {
        arriving: {
          guard: (_stanza, ctx) => {
            if (ctx.account.jid.local === 'nurse') throw new StanzaError('cancel', 'forbidden')
            return ctx.account.jid.local === 'romeo' ? drop() : undefined
          }
        }
      }
    })
    const rig = new Rig({ plugins: [half], store: storeOf() })
    const devices = [await rig.binds('romeo@im.test/x', '<presence/>'), await rig.binds('juliet@im.test/y', '<presence/>'),
      await rig.binds('nurse@im.test/z', '<presence/>')]
    const presence = Stanza.of({ kind: 'presence', from: parseJid('romeo@im.test/x') })
    for (const delivery of broadcast(presence, ACCOUNTS.map((account) => parseJid(account)))) rig.router.submit(delivery)
    await quiet()
    expect(devices.map((device) => device.got())).toEqual([
      [], ['presence romeo@im.test/x > juliet@im.test'], []
    ])
  })

  test('RFC 6121 §4.4.2, §4.6: a refusal by a contact answers presence that is directed at it, and no broadcast', async () => {
    const refuses = plugin({
      id: 'refuses',
      presence: {
        leaving: { copy: (stanza) => (stanza.to === undefined ? broadcast(stanza, ['juliet', 'nurse'].map((local) => parseJid(`${local}@im.test`))) : []) },
        arriving: {
          guard: (_stanza, ctx) => {
            if (ctx.account.jid.local !== 'romeo') throw new StanzaError('cancel', 'forbidden')
          }
        }
      }
    })
    const rig = new Rig({ plugins: [refuses], store: storeOf() })
    await rig.binds('juliet@im.test/y', '<presence/>')
    const romeo = await rig.binds('romeo@im.test/x', '<presence/>')
    await quiet()
    expect([romeo.got(), romeo.h]).toEqual([[], 1])
    await rig.sends(romeo, "<presence to='juliet@im.test'/>")
    await quiet()
    expect([romeo.got(), romeo.h]).toEqual([[expect.stringContaining('forbidden')], 2])
  })
})

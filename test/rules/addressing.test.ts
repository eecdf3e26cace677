import { describe, expect, test } from '@jest/globals'
import { eligible, isForDevices, messageType, whenLeft, whenNoAccount, whenNobodyTookIt, type StanzaFacts } from '../../src/rules/addressing.js'

const message = (type: string): StanzaFacts => ({ kind: 'message', type })
const presence = (type: string): StanzaFacts => ({ kind: 'presence', type })
const iq = (type: string): StanzaFacts => ({ kind: 'iq', type })

const device = (priority: number | undefined): { resource: string; priority: number | undefined } => ({ resource: 'phone', priority })

describe('RFC 6121 §8.5.4, table 1: which devices take a message', () => {
  const types = ['normal', 'chat', 'groupchat', 'headline']
  const rows: readonly (readonly [string, string, number | undefined, readonly boolean[]])[] = [
    ['bare, non-negative', '', 0, [true, true, false, true]],
    ['bare, positive', '', 5, [true, true, false, true]],
    ['bare, negative', '', -1, [false, false, false, false]],
    ['bare, merely connected', '', undefined, [false, false, false, false]],
    ['full match, non-negative', 'phone', 0, [true, true, true, true]],
    ['full match, negative', 'phone', -1, [true, true, true, true]],
    ['full match, merely connected', 'phone', undefined, [true, true, true, true]],
    ['full, no match', 'Phone', 0, [false, false, false, false]]
  ]
  test.each(rows)('%s', (_, resource, priority, takes) => {
    expect(types.map((type) => eligible(message(type), resource, device(priority)))).toEqual(takes)
  })

  test('an error goes to the very device or to none (§8.5.2.1.1)', () => {
    expect(eligible(message('error'), '', device(0))).toBe(false)
    expect(eligible(message('error'), 'phone', device(0))).toBe(true)
  })

  test('an unknown type counts as normal (§5.2.2), so does none', () => {
    expect([messageType('foo'), messageType('')]).toEqual(['normal', 'normal'])
    expect(eligible(message('foo'), '', device(0))).toBe(true)
    expect(whenNobodyTookIt(message('foo'), '')).toBe('store')
  })
})

describe('RFC 6121 §8.5.4, table 1: when no device took a message', () => {
  test.each([
    ['normal', 'store', 'bounce', 'bounce'], ['chat', 'store', 'bare', 'bounce'], ['groupchat', 'bounce', 'bounce', 'bounce'],
    ['headline', 'ignore', 'bounce', 'ignore'], ['error', 'ignore', 'ignore', 'ignore']
  ])('%s', (type, bare, full, nobody) => {
    expect([whenNobodyTookIt(message(type), ''), whenNobodyTookIt(message(type), 'x'), whenNoAccount(message(type), '')]).toEqual([
      bare, full, nobody
    ])
    expect(whenNoAccount(message(type), 'x')).toBe(type === 'error' ? 'ignore' : 'bounce')
  })
})

describe('RFC 6121 §8.5: presence', () => {
  test('to a bare JID reaches available devices, whatever their priority (§8.5.2.1.2)', () => {
    expect([-1, 0, undefined].map((priority) => eligible(presence(''), '', device(priority)))).toEqual([true, true, false])
  })

  test('to a full JID reaches that device (§8.5.3.1)', () => {
    expect(eligible(presence('unavailable'), 'phone', device(undefined))).toBe(true)
  })

  test('that nobody takes is ignored (§8.5.1, §8.5.2.2.2, §8.5.3.2.2)', () => {
    for (const type of ['', 'unavailable', 'subscribe', 'unsubscribed']) {
      expect([whenNobodyTookIt(presence(type), ''), whenNobodyTookIt(presence(type), 'x'), whenNoAccount(presence(type), '')])
        .toEqual(['ignore', 'ignore', 'ignore'])
    }
  })
})

test('T13: a probe of nobody is answered like one of a stranger (RFC 6121 §4.3.2, §8.5.1)', () => {
  expect(whenNoAccount(presence('probe'), '')).toBe('unsubscribed')
  expect(whenNoAccount(presence('probe'), 'x')).toBe('ignore')      // a stranger's device says nothing either
  expect(whenNobodyTookIt(presence('probe'), '')).toBe('ignore')
})

describe('RFC 6121 §8.5: IQs', () => {
  test('to a bare JID are never for devices (§8.5.2.1.3)', () => {
    expect(eligible(iq('get'), '', device(0))).toBe(false)
    expect([isForDevices(iq('get'), ''), isForDevices(iq('get'), 'phone')]).toEqual([false, true])
    expect([isForDevices(message('chat'), ''), isForDevices(message('groupchat'), ''), isForDevices(presence(''), '')]).toEqual([
      true, false, true
    ])
  })

  test('that nobody takes are refused, answers dropped (§8.5.3.2.3; RFC 6120 §8.2.3)', () => {
    expect(['get', 'set', 'result', 'error'].map((type) => whenNobodyTookIt(iq(type), 'x'))).toEqual([
      'bounce', 'bounce', 'ignore', 'ignore'
    ])
    expect(['get', 'set', 'result', 'error'].map((type) => whenNoAccount(iq(type), ''))).toEqual(['bounce', 'bounce', 'ignore', 'ignore'])
  })
})

describe('what a device has left unacknowledged (XEP-0198 §4)', () => {
  test.each(['', 'chat', 'normal', 'unknown'])('a message of type %j goes to all devices, then to the store, whoever it was meant for', (type) => {
    for (const meant of ['', 'r']) {
      expect([whenLeft({ kind: 'message', type }, 'r', meant), whenLeft({ kind: 'message', type }, '', meant)]).toEqual(['bare', 'store'])
    }
  })

  test.each([['headline', '', 'ignore'], ['headline', 'r', 'bounce'], ['groupchat', 'r', 'bounce'], ['error', 'r', 'ignore']])(
    'a %s for resource %j: %s, as if the device had not been there', (type, meant, fate) => {
      expect(whenLeft({ kind: 'message', type }, 'r', meant)).toBe(fate)
    })
})

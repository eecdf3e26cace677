import { expect, test } from '@jest/globals'
import { isSubscriptionType, parsePriority, presenceType } from '../../src/rules/presence.js'

test('T08: types of presence (RFC 6121 §4.7.1)', () => {
  expect(presenceType('')).toBe('available')
  for (const type of ['error', 'probe', 'subscribe', 'subscribed', 'unavailable', 'unsubscribe', 'unsubscribed']) {
    expect(presenceType(type)).toBe(type)
  }
  for (const type of ['foo', 'available', 'Unavailable', 'invisible']) expect(presenceType(type)).toBeUndefined()
  expect([isSubscriptionType('subscribe'), isSubscriptionType('probe')]).toEqual([true, false])
})

test('T09: a priority is one integer from -128 to 127 (RFC 6121 §4.7.2.3)', () => {
  expect([[], ['0'], ['-128'], ['127'], [' 5\n'], ['+1']].map(parsePriority)).toEqual([0, 0, -128, 127, 5, 1])
  for (const bad of [['200'], ['-129'], ['abc'], ['1', '2'], [''], ['1.5'], ['1e1'], ['0x1']]) expect(parsePriority(bad)).toBeUndefined()
})

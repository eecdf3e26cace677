import { describe, expect, test } from '@jest/globals'
import { inbound, outbound, type SubscriptionState, type SubscriptionType } from '../../src/rules/subscription.js'

/** The nine states of RFC 6121 Appendix A.1, by their names there. */
const STATES: Readonly<Record<string, SubscriptionState>> = {
  'None': state('none'),
  'None + Pending Out': state('none', 'out'),
  'None + Pending In': state('none', 'in'),
  'None + Pending Out+In': state('none', 'out', 'in'),
  'To': state('to'),
  'To + Pending In': state('to', 'in'),
  'From': state('from'),
  'From + Pending Out': state('from', 'out'),
  'Both': state('both')
}

function state(subscription: SubscriptionState['subscription'], ...pending: readonly ('in' | 'out')[]): SubscriptionState {
  return {
    subscription, ask: pending.includes('out'), pendingIn: pending.includes('in') ? '<presence/>' : undefined,
    approved: false, listed: true
  }
}

const named = (name: string): SubscriptionState => {
  const found = STATES[name]
  if (found === undefined) throw new Error(name)
  return found
}

/** Rows: state, routed or delivered, new state ('=' no change). */
type Table = readonly (readonly [string, boolean, string, string?])[]

const OUTBOUND: Readonly<Record<SubscriptionType, Table>> = {
  subscribe: [ // Table 2
    ['None', true, 'None + Pending Out'], ['None + Pending Out', true, '='], ['None + Pending In', true, 'None + Pending Out+In'],
    ['None + Pending Out+In', true, '='], ['To', true, '='], ['To + Pending In', true, '='], ['From', true, 'From + Pending Out'],
    ['From + Pending Out', true, '='], ['Both', true, '=']
  ],
  unsubscribe: [ // Table 3
    ['None', true, '='], ['None + Pending Out', true, 'None'], ['None + Pending In', true, '='],
    ['None + Pending Out+In', true, 'None + Pending In'], ['To', true, 'None'], ['To + Pending In', true, 'None + Pending In'],
    ['From', true, '='], ['From + Pending Out', true, 'From'], ['Both', true, 'From']
  ],
  subscribed: [ // Table 4
    ['None', false, 'approved'], ['None + Pending Out', false, 'approved'], ['None + Pending In', true, 'From'],
    ['None + Pending Out+In', true, 'From + Pending Out'], ['To', false, 'approved'], ['To + Pending In', true, 'Both'],
    ['From', false, '='], ['From + Pending Out', false, '='], ['Both', false, '=']
  ],
  unsubscribed: [ // Table 5
    ['None', false, '='], ['None + Pending Out', false, '='], ['None + Pending In', true, 'None'],
    ['None + Pending Out+In', true, 'None + Pending Out'], ['To', false, '='], ['To + Pending In', true, 'To'],
    ['From', true, 'None'], ['From + Pending Out', true, 'None + Pending Out'], ['Both', true, 'To']
  ]
}

const INBOUND: Readonly<Record<SubscriptionType, Table>> = {
  subscribe: [ // Table 6
    ['None', true, 'None + Pending In'], ['None + Pending Out', true, 'None + Pending Out+In'], ['None + Pending In', false, '='],
    ['None + Pending Out+In', false, '='], ['To', true, 'To + Pending In'], ['To + Pending In', false, '='],
    ['From', false, '=', 'subscribed'], ['From + Pending Out', false, '=', 'subscribed'], ['Both', false, '=', 'subscribed']
  ],
  unsubscribe: [ // Table 7
    ['None', false, '='], ['None + Pending Out', false, '='], ['None + Pending In', true, 'None', 'unsubscribed'],
    ['None + Pending Out+In', true, 'None + Pending Out', 'unsubscribed'], ['To', false, '='],
    ['To + Pending In', true, 'To', 'unsubscribed'], ['From', true, 'None', 'unsubscribed'],
    ['From + Pending Out', true, 'None + Pending Out', 'unsubscribed'], ['Both', true, 'To', 'unsubscribed']
  ],
  subscribed: [ // Table 8
    ['None', false, '='], ['None + Pending Out', true, 'To'], ['None + Pending In', false, '='],
    ['None + Pending Out+In', true, 'To + Pending In'], ['To', false, '='], ['To + Pending In', false, '='], ['From', false, '='],
    ['From + Pending Out', true, 'Both'], ['Both', false, '=']
  ],
  unsubscribed: [ // Table 9
    ['None', false, '='], ['None + Pending Out', true, 'None'], ['None + Pending In', false, '='],
    ['None + Pending Out+In', true, 'None + Pending In'], ['To', true, 'None'], ['To + Pending In', true, 'None + Pending In'],
    ['From', false, '='], ['From + Pending Out', true, 'From'], ['Both', true, 'From']
  ]
}

function expected(before: string, after: string): SubscriptionState {
  if (after === 'approved') return { ...named(before), approved: true }
  return named(after === '=' ? before : after)
}

const TYPES: readonly SubscriptionType[] = ['subscribe', 'unsubscribe', 'subscribed', 'unsubscribed']

describe.each(TYPES)('RFC 6121 Appendix A.2: outbound %s', (type) => {
  test.each(OUTBOUND[type])('in state "%s": routed %s, then "%s"', (before, route, after) => {
    const outcome = outbound(type, named(before))
    expect(outcome).toMatchObject({ state: expected(before, after), route })
    const shown = (s: SubscriptionState): unknown => [s.subscription, s.ask, s.approved]
    expect(outcome.push).toBe(String(shown(named(before))) !== String(shown(expected(before, after))))
    if (after === '=') expect(outcome.state).toBe(named(before))
  })
})

describe.each(TYPES)('RFC 6121 Appendix A.3: inbound %s', (type) => {
  test.each(INBOUND[type].map(([a, b, c, d]) => [a, b, c, d] as const))(
    'in state "%s": delivered %s, then "%s"', (before, deliver, after, reply) => {
    const outcome = inbound(type, named(before), '<presence/>')
    expect(outcome).toMatchObject({ state: expected(before, after), deliver, reply })
    if (after === '=') expect(outcome.state).toBe(named(before))
  })
})

describe('RFC 6121 §3.1.3: a contact who is not in the roster', () => {
  test('asks: the request is noted with its text, no item is shown or pushed', () => {
    const { state: noted, push, deliver } = inbound('subscribe', undefined, '<presence>hi</presence>')
    expect(noted).toEqual({ subscription: 'none', ask: false, approved: false, pendingIn: '<presence>hi</presence>', listed: false })
    expect([push, deliver]).toEqual([false, true])
  })

  test('asks and withdraws: nothing stays, nothing is pushed (§3.3.3)', () => {
    const { state: noted } = inbound('subscribe', undefined, 'x')
    expect(inbound('unsubscribe', noted)).toMatchObject({ state: undefined, push: false })
  })

  test('asks and is denied: nothing stays, the denial is routed', () => {
    const { state: noted } = inbound('subscribe', undefined, 'x')
    expect(outbound('unsubscribed', noted)).toMatchObject({ state: undefined, push: false, route: true, access: 'same' })
  })

  test('asks and is approved: the item appears', () => {
    const { state: noted } = inbound('subscribe', undefined, 'x')
    expect(outbound('subscribed', noted)).toMatchObject({ state: { subscription: 'from', listed: true }, push: true, access: 'granted' })
  })

  test('sends anything else: nothing happens', () => {
    for (const type of ['subscribed', 'unsubscribe', 'unsubscribed'] as const) {
      expect(inbound(type, undefined)).toEqual({ state: undefined, deliver: false, push: false, reply: undefined, access: 'same' })
    }
    expect(outbound('unsubscribe', undefined)).toMatchObject({ state: undefined, route: true, push: false })
  })
})

describe('RFC 6121 §3.4: pre-approval', () => {
  const { state: approved } = outbound('subscribed', undefined)

  test('makes an item that says so, and is not routed', () => {
    expect(approved).toEqual({ subscription: 'none', ask: false, approved: true, pendingIn: undefined, listed: true })
    expect(outbound('subscribed', undefined)).toMatchObject({ route: false, push: true })
  })

  test('answers the request at once, without delivering it', () => {
    expect(inbound('subscribe', approved, 'x')).toMatchObject({
      state: { subscription: 'from', approved: true, pendingIn: undefined }, deliver: false,
      push: true, reply: 'subscribed', access: 'granted'
    })
  })

  test('is cancelled by "unsubscribed", which is not routed', () => {
    expect(outbound('unsubscribed', approved)).toMatchObject({ state: { approved: false, listed: true }, route: false, push: true })
  })

  test('given twice changes nothing', () => {
    expect(outbound('subscribed', approved)).toMatchObject({ push: false, route: false })
  })
})

test('access ends with "unsubscribed" out and "unsubscribe" in', () => {
  expect(outbound('unsubscribed', named('Both')).access).toBe('ended')
  expect(inbound('unsubscribe', named('From')).access).toBe('ended')
  expect(inbound('unsubscribed', named('Both')).access).toBe('same')
})

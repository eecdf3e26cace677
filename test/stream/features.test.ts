import { describe, expect, test } from '@jest/globals'
import { claimant, fits, offers, raised, type Feature, type FeatureHost, type Flag } from '../../src/stream/features/feature.js'
import type { RawElement } from '../../src/xml/raw.js'

interface Sketch {
  readonly id: string
  readonly needs?: readonly Flag[]
  readonly forbids?: readonly Flag[]
  readonly text?: string
}

function feature({ id, needs = [], forbids = [], text = `<${id}/>` }: Sketch): Feature {
  return {
    id, needs, forbids, sets: [], restarts: false,
    claims: (element) => element.name === id,
    offer: () => text,
    begin: () => ({ take: () => 'more' }),
    misplaced: () => 'more'
  }
}

const flags = (...set: readonly Flag[]) =>
  raised({ secure: false, sasl: false, sasl2: false, authenticated: false, bound: false, managed: false }, set)
const host = (...set: readonly Flag[]): FeatureHost => ({ flags: flags(...set) }) as unknown as FeatureHost

const tls = feature({ id: 'tls', forbids: ['secure', 'authenticated'] })
const login = feature({ id: 'login', forbids: ['authenticated'] })
const address = feature({ id: 'address', needs: ['authenticated'], forbids: ['bound'] })
const quiet = feature({ id: 'quiet', text: '' })
const all = [tls, login, address, quiet]

describe('the rules of negotiation', () => {
  test('a feature fits when all flags that it needs are set and none that it forbids (RFC 6120 §4.3.1)', () => {
    expect(fits(tls, flags())).toBe(true)
    expect(fits(tls, flags('secure'))).toBe(false)
    expect(fits(address, flags('secure'))).toBe(false)
    expect(fits(address, flags('secure', 'authenticated'))).toBe(true)
    expect(fits(address, flags('secure', 'authenticated', 'bound'))).toBe(false)
  })

  test('what fits is offered, in order; after the last one nothing is (RFC 6120 §4.3.5)', () => {
    expect(offers(all, host())).toBe('<tls/><login/>')
    expect(offers(all, host('secure'))).toBe('<login/>')
    expect(offers(all, host('secure', 'authenticated'))).toBe('<address/>')
    expect(offers(all, host('secure', 'authenticated', 'bound'))).toBe('')
  })

  test('an element belongs to the feature that claims it, whether that fits now or not', () => {
    expect(claimant(all, { name: 'address' } as RawElement, flags())).toBe(address)
    expect(claimant(all, { name: 'other' } as RawElement, flags())).toBeUndefined()
  })

  test('raising flags leaves the old ones as they were', () => {
    const before = flags('secure')
    expect(raised(before, ['authenticated'])).toMatchObject({ secure: true, authenticated: true, bound: false })
    expect(before).toMatchObject({ secure: true, authenticated: false, bound: false })
  })
})

/** Client addresses: networks, counting, limits per address, forwarded headers. */
import { describe, expect, test } from '@jest/globals'
import { clientOf } from '../../src/transport/forwarded.js'
import { AddressLimits } from '../../src/transport/limits.js'
import type { Admission } from '../../src/transport/limits.js'
import { countedAs, Networks, plainAddress } from '../../src/transport/networks.js'
import { addressLimitOptions, doorOptions } from '../../src/transport/options.js'
import type { AddressLimitSettings } from '../../src/transport/options.js'
import { Origins } from '../../src/transport/origins.js'
import { initialOf, testRoom } from './support.js'

describe('addresses', () => {
  test.each([['::ffff:192.0.2.1', '192.0.2.1'], ['fe80::1%eth0', 'fe80::1'], ['192.0.2.1', '192.0.2.1'], ['2001:db8::1', '2001:db8::1']])(
    '%s is written %s', (given, plain) => { expect(plainAddress(given)).toBe(plain) })

  test('an IPv6 client is its /64, an IPv4 client its address (XEP-0205 §4.1)', () => {
    expect(countedAs('2001:db8:1:2:3:4:5:6')).toBe(countedAs('2001:db8:1:2::9'))
    expect(countedAs('2001:db8:1:2::9')).not.toBe(countedAs('2001:db8:1:3::9'))
    expect(countedAs('::1')).toBe('0:0:0:0')
    expect(countedAs('192.0.2.1')).toBe('192.0.2.1')
  })

  test('networks of both families, single addresses, and a complaint that names the wrong entry', () => {
    const networks = Networks.of(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32'])
    expect(['10.9.8.7', '192.0.2.7', '2001:db8:ffff::1'].every((a) => networks.has(a))).toBe(true)
    expect(['11.0.0.1', '192.0.2.8', '2001:db9::1', 'nonsense', ''].some((a) => networks.has(a))).toBe(false)
    for (const wrong of ['10.0.0.0/33', 'host.example', '1.2.3', '::/129', '10.0.0.0/']) expect(() => Networks.of([wrong])).toThrow(wrong)
  })

  test('the options refuse what is no network, and `none` empties a list', () => {
    expect(() => doorOptions.trustedProxies.parse('10.0.0.0/8,proxy.local')).toThrow('proxy.local')
    expect(addressLimitOptions.exempt.parse('none')).toEqual([])
  })
})

describe('limits per address', () => {
  const settings: AddressLimitSettings = {
    ...initialOf<AddressLimitSettings>(addressLimitOptions), connectionsMax: 100, perAddress: 5, unauthenticatedPerAddress: 3,
    unauthenticatedPercent: 10, newPerSecond: 2, newBurst: 8
  }

  function limits(change: Partial<AddressLimitSettings> = {}) {
    const room = testRoom()
    const made = new AddressLimits({ ...settings, ...change }, Networks.of(['127.0.0.0/8']), room.wheel)
    return { room, limits: made, enter: (address: string, evict: () => void = () => {}) => made.admit(address, { evict }) }
  }

  const ticketOf = (admission: Admission) => {
    if ('refused' in admission) throw new Error(admission.refused)
    return admission.ticket
  }

  test('S31: one connection too many without login is refused, others are not concerned', () => {
    const { enter } = limits()
    const first = ticketOf(enter('192.0.2.1'))
    enter('192.0.2.1')
    enter('192.0.2.1')
    expect(enter('192.0.2.1')).toEqual({ refused: 'unauthenticated-limit' })
    expect('ticket' in enter('192.0.2.2')).toBe(true)
    first.authenticated()
    expect('ticket' in enter('192.0.2.1')).toBe(true)
  })

  test('the total of an address counts those that have logged in too, until they leave', () => {
    const { enter } = limits()
    const tickets = [...Array(5).keys()].map(() => {
      const ticket = ticketOf(enter('192.0.2.1'))
      ticket.authenticated()
      return ticket
    })
    expect(enter('192.0.2.1')).toEqual({ refused: 'address-limit' })
    tickets[0]?.release()
    tickets[0]?.release()
    expect('ticket' in enter('192.0.2.1')).toBe(true)
    expect(enter('192.0.2.1')).toEqual({ refused: 'address-limit' })
  })

  test('new connections are limited to a burst, which fills up again with time', () => {
    const { room, enter } = limits()
    for (let i = 0; i < 8; i++) ticketOf(enter('192.0.2.1')).release()
    expect(enter('192.0.2.1')).toEqual({ refused: 'address-rate' })
    room.clock.move(1_000)
    ticketOf(enter('192.0.2.1')).release()
    ticketOf(enter('192.0.2.1')).release()
    expect(enter('192.0.2.1')).toEqual({ refused: 'address-rate' })
  })

  test('exempt addresses have no limits but the node\'s own', () => {
    const { enter } = limits({ connectionsMax: 20, unauthenticatedPercent: 100 })
    for (let i = 0; i < 20; i++) ticketOf(enter('127.0.0.1'))
    expect(enter('127.0.0.1')).toEqual({ refused: 'connection-limit' })
  })

  describe('failed logins', () => {
    const strict = { loginFailures: 3, loginFailuresSeconds: 600, newBurst: 100, unauthenticatedPerAddress: 100, perAddress: 100 }

    test('so many of one address in the period, and its new connections are refused for as long; others are not concerned', () => {
      const { room, enter } = limits(strict)
      const tickets = [1, 2, 3, 4].map(() => ticketOf(enter('192.0.2.1')))
      expect(tickets.map((ticket) => ticket.failed())).toEqual([false, false, true, true])
      expect(enter('192.0.2.1')).toEqual({ refused: 'failed-logins' })
      expect('ticket' in enter('192.0.2.2')).toBe(true)
      room.clock.move(599_000)
      expect(enter('192.0.2.1')).toEqual({ refused: 'failed-logins' })
      room.clock.move(1_000)
      expect('ticket' in enter('192.0.2.1')).toBe(true)
    })

    test('old ones are forgotten', () => {
      const { room, enter } = limits(strict)
      const ticket = ticketOf(enter('192.0.2.1'))
      ticket.failed()
      ticket.failed()
      room.clock.move(600_000)
      expect([ticket.failed(), ticket.failed(), ticket.failed()]).toEqual([false, false, true])
    })

    test('an IPv6 client is its /64; connections that do not log in themselves go on; exempt addresses are not counted', () => {
      const { limits: all, enter } = limits({ ...strict, loginFailures: 1 })
      expect(ticketOf(enter('2001:db8:1:2::9')).failed()).toBe(true)
      expect(enter('2001:db8:1:2::10')).toEqual({ refused: 'failed-logins' })
      expect('ticket' in all.admit('2001:db8:1:2::10')).toBe(true)
      expect(ticketOf(enter('127.0.0.1')).failed()).toBe(false)
      expect('ticket' in enter('127.0.0.1')).toBe(true)
    })
  })

  test('when too many on the node are without login the oldest of them goes', () => {
    const { limits: all, enter } = limits()
    const evicted: number[] = []
    for (let i = 0; i < 12; i++) enter(`192.0.2.${i}`, () => evicted.push(i))
    expect(evicted).toEqual([0, 1])
    expect(all.unauthenticated).toBe(10)
  })
})

describe('forwarded headers (RFC 7239)', () => {
  const trusted = Networks.of(['10.0.0.0/8'])
  const proxy = { address: '10.0.0.1', port: 5, secure: false }

  test('nothing is believed from elsewhere', () => {
    const socket = { ...proxy, address: '192.0.2.1' }
    expect(clientOf(socket, { 'x-forwarded-for': '1.1.1.1', forwarded: 'for=2.2.2.2' }, trusted)).toBe(socket)
  })

  test.each([
    ['for=203.0.113.9', '203.0.113.9', false], ['for=203.0.113.9;proto=https', '203.0.113.9', true],
    ['For="[2001:db8::7]:4711";Proto=HTTPS', '2001:db8::7', true], ['for="203.0.113.9:80"', '203.0.113.9', false],
    ['for=6.6.6.6, for=203.0.113.9;proto=https', '203.0.113.9', true], ['for=203.0.113.9, for=10.0.0.2', '203.0.113.9', false],
    ['for=unknown', '10.0.0.1', false], ['for=_hidden;proto=https', '10.0.0.1', true], ['for="a,b;c"', '10.0.0.1', false]
  ])('Forwarded: %s', (header, address, secure) => {
    expect(clientOf(proxy, { forwarded: header }, trusted)).toMatchObject({ address, secure })
  })

  test('X-Forwarded-For counts from the end: what a client wrote itself is not believed', () => {
    const headers = { 'x-forwarded-for': '6.6.6.6, 203.0.113.9, 10.0.0.2', 'x-forwarded-proto': 'https' }
    expect(clientOf(proxy, headers, trusted)).toMatchObject({ address: '203.0.113.9', secure: true })
  })

  test('a protocol alone leaves the address', () => {
    expect(clientOf(proxy, { 'x-forwarded-proto': 'https' }, trusted)).toEqual({ ...proxy, secure: true })
  })
})

describe('origins', () => {
  test('a list with names is compared without case; a star names nobody for credentials', () => {
    const listed = new Origins(['https://Chat.example/'])
    expect([listed.allows('https://chat.example'), listed.allows('https://other.example'), listed.allows(undefined)])
      .toEqual([true, false, true])
    expect(new Origins(['*']).headersFor('https://a.example')).toEqual({ 'access-control-allow-origin': '*' })
  })
})

/** Addresses: host and port, interface names in place of hosts, what is on this machine. */
import { describe, expect, test } from '@jest/globals'
import type { NetworkInterfaceInfo } from 'node:os'
import { address, addressesOf, addressText, hostOf, isLoopback, parseAddress } from '../../src/config/address.js'

const common = { netmask: '', mac: '', internal: false, cidr: null }
const v4 = (ip: string): NetworkInterfaceInfo => ({ ...common, address: ip, family: 'IPv4' })
const v6 = (ip: string): NetworkInterfaceInfo => ({ ...common, address: ip, family: 'IPv6', scopeid: 2 })
const INTERFACES = {
  lo: [v4('127.0.0.1'), v6('::1')],
  eth0: [v6('fe80::1'), v4('192.0.2.7')],
  'eth0:1': [v4('192.0.2.8')],
  'Local Area Connection': [v4('198.51.100.9')]
}

describe('an address', () => {
  test.each([
    ['db.example.org', 'db.example.org', '', undefined],
    ['db.example.org:5777', 'db.example.org', '', 5777],
    ['tcp://192.0.2.1:5222', '192.0.2.1', '', 5222],
    ['::1', '::1', '', undefined],
    ['[::1]:5222', '::1', '', 5222],
    ['[2001:db8::5]', '2001:db8::5', '', undefined],
    ['@eth0', '', 'eth0', undefined],
    ['tcp://@eth0:8123', '', 'eth0', 8123],
    ['[@eth0:1]:8123', '', 'eth0:1', 8123],
    ['[@Local Area Connection]:8123', '', 'Local Area Connection', 8123]
  ])('%s', (text, host, device, port) => {
    const parsed = parseAddress(text)
    expect(parsed).toEqual({ host, device, port })
    expect(parseAddress(addressText(parsed))).toEqual(parsed)
  })

  test.each([
    '', ':5222', 'a:b', 'a:99999', '[::1', '[example.org]:1', 'http://a', '@', '[@]', 'a b', '-', 'a:1:2', 'a/b'
  ])('%s is refused', (text) => {
    expect(() => parseAddress(text)).toThrow(/@interface/)
  })

  test('an option of this kind: empty is not given', () => {
    const option = address('--x', '127.0.0.1:8080', 'x')
    expect(option.print(option.initial)).toBe('127.0.0.1:8080')
    expect(option.parse('')).toBeUndefined()
    expect(option.print(undefined)).toBe('')
  })
})

describe('on this machine', () => {
  test('an interface stands for its addresses, IPv4 first', () => {
    expect(addressesOf('eth0', INTERFACES)).toEqual(['192.0.2.7', 'fe80::1'])
    expect(hostOf(parseAddress('[@eth0:1]:1'), INTERFACES)).toBe('192.0.2.8')
    expect(hostOf(parseAddress('example.org'), INTERFACES)).toBe('example.org')
  })

  test('an interface that is not there: the message names those that are', () => {
    expect(() => addressesOf('eth9', INTERFACES)).toThrow(
      'no interface eth9 on this machine; there are Local Area Connection, eth0, eth0:1, lo')
  })

  test('loopback', () => {
    const own = ['localhost', '127.0.0.1', '::1', '::ffff:127.0.0.1', 'a.localhost', 'LOCALHOST']
    expect(own.filter((host) => !isLoopback(host))).toEqual([])
    expect(['10.0.0.1', 'example.org', 'localhost.example.org', '128.0.0.1'].filter(isLoopback)).toEqual([])
  })
})

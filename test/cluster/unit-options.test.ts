/** Options of the cluster: cluster.md §1, §3, §5, §8. */
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { clusterSettings, nodeName } from '../../src/cluster/configure.js'
import { clusterOptions, type ClusterOptionValues } from '../../src/cluster/options.js'
import { StartRefused } from '../../src/cluster/claim.js'

type Given = Partial<Record<keyof ClusterOptionValues, string>>
const facts = {
  version: '1', database: 'postgresql', hostId: 'h',
  interfaces: { eth0: [{ address: '192.0.2.5', family: 'IPv4', netmask: '', mac: '', internal: false, cidr: null }] }
} as const

/** As the configuration room reads them. */
function values(given: Given): ClusterOptionValues {
  const entries = Object.entries(clusterOptions).map(([key, option]) => {
    const text = given[key as keyof ClusterOptionValues]
    return [key, text === undefined ? option.initial : option.parse(text)]
  })
  return Object.fromEntries(entries) as ClusterOptionValues
}
const settings = (given: Given, more: object = {}): ReturnType<typeof clusterSettings> =>
  clusterSettings(values({ primaryAddress: 'node1.example.com', ...given }), { ...facts, ...more })
const refusal = (given: Given, more: object = {}): StartRefused | undefined => {
  try {
    settings(given, more)
    return undefined
  } catch (error) {
    if (error instanceof StartRefused) return error
    throw error
  }
}

describe('names and addresses', () => {
  test('§1 by default others dial the node\'s name and the first cluster port, 5777', () => {
    expect(settings({})).toMatchObject({
      name: 'node1.example.com', advertise: 'node1.example.com:5777', listen: [{ host: '::', port: 5777 }],
      tls: true, clusterName: 'starling'
    })
  })

  test('§1 without --tigase-primary-address the node has the machine\'s name', () => {
    expect(nodeName(values({}))).not.toBe('')
  })

  test('§3 an interface may stand for an address', () => {
    expect(settings({ advertise: '@eth0', listen: '@eth0', ports: '6777' })).toMatchObject({
      advertise: '192.0.2.5:6777', listen: [{ host: '192.0.2.5', port: 6777 }]
    })
    expect(refusal({ listen: '@eth9' })).toMatchObject({ exitCode: 78, message: expect.stringContaining('--cluster-listen') })
  })

  test.each([['localhost', undefined], ['node1.example.com', '127.0.0.1:5777'], ['x.localhost', undefined], ['node1', '[::1]:5777']])(
    '§1 loopback is refused in cluster mode: %s, %s', (primaryAddress, advertise) => {
      const given = { primaryAddress, ...(advertise !== undefined && { advertise }) }
      expect(refusal(given)).toMatchObject({ exitCode: 78, message: expect.stringContaining('--cluster-allow-loopback') })
      expect(refusal({ ...given, allowLoopback: 'true' })).toBeUndefined()
    })

  test('§8 SQLite is one machine: an address that others could dial is refused', () => {
    expect(refusal({}, { database: 'sqlite' })).toMatchObject({ exitCode: 78, message: expect.stringContaining('SQLite') })
    expect(refusal({ advertise: '127.0.0.1:5777', allowLoopback: 'yes' }, { database: 'sqlite' })).toBeUndefined()
  })

  test('§4 links without TLS are for loopback only', () => {
    expect(refusal({ tls: 'false' })).toMatchObject({ exitCode: 78 })
    expect(refusal({ tls: 'false', advertise: '127.0.0.1', allowLoopback: 'on' })).toMatchObject({ exitCode: 78 })
    expect(refusal({ tls: 'false', advertise: '127.0.0.1', listen: '127.0.0.1', allowLoopback: 'on' })).toBeUndefined()
  })
})

describe('options', () => {
  test.each([
    ['node1', 'node1'], ['node1:6000', 'node1:6000'], ['node1:secret', 'node1'], ['node1:secret:5277', 'node1:5277'],
    ['node1::5277', 'node1:5277'], ['[::1]:6000', '[::1]:6000'], ['node1:12ab:77', 'node1:77']
  ])('§3 --cluster-nodes=%s is the contact %s', (text, contact) => {
    expect(clusterOptions.nodes.parse(text)).toEqual([contact])
  })

  test.each([
    ['broadcast', 'broadcast'], ['tigase.cluster.strategy.DefaultClusteringStrategy', 'broadcast'],
    ['tigase.cluster.strategy.SMNonCachingAllNodes', 'broadcast'],
    ['online-users-caching', 'online-users-caching'], ['tigase.cluster.strategy.OnlineUsersCachingStrategy', 'online-users-caching'],
    ['tigase.server.cluster.strategy.OnlineUsersCachingStrategy', 'online-users-caching'], ['./mine.js', './mine.js']
  ])('§5 --sm-cluster-strategy-class=%s is %s', (text, name) => {
    expect(clusterOptions.strategy.parse(text)).toBe(name)
  })

  test('§5 a class of Tigase that we do not know is refused', () => {
    expect(() => clusterOptions.strategy.parse('tigase.cluster.strategy.Other')).toThrow(/broadcast/)
  })

  test('§5 a module is compared by its file name, so its place may differ from machine to machine', () => {
    expect(settings({ strategy: '/opt/one/mine.js' }).strategy).toBe(settings({ strategy: './mine.mjs' }).strategy)
  })

  test('§3 --cluster-discovery takes table, static or both', () => {
    expect(clusterOptions.discovery.parse('static')).toEqual(['static'])
    expect(clusterOptions.discovery.parse('table, static')).toEqual(['table', 'static'])
    expect(() => clusterOptions.discovery.parse('multicast')).toThrow()
  })

  test('§4 a secret comes from the option or a file, two during a change, never three, and is not for printing', () => {
    const dir = mkdtempSync(join(tmpdir(), 'starling-secret-'))
    const file = join(dir, 'secret')
    writeFileSync(file, 'new\nold\n')
    expect(settings({ secretFile: file }).secrets).toEqual(['new', 'old'])
    expect(settings({ secret: 'one' }).secrets).toEqual(['one'])
    expect(refusal({ secret: 'a,b,c' })).toMatchObject({ exitCode: 78 })
    expect(refusal({ secretFile: join(dir, 'none') })).toMatchObject({ exitCode: 78 })
    expect(clusterOptions.secret.secret).toBe(true)
    rmSync(dir, { recursive: true })
  })

  test.each(['auto', 'buddy', 'both', 'sql', 'off'])('§8 --durability=%s is accepted', (text) => {
    expect(clusterOptions.durability.parse(text)).toBe(text)
  })
})

test('§5 the guide shows the example as it stands', () => {
  const root = join(import.meta.dirname, '..', '..')
  const example = readFileSync(join(root, 'examples', 'strategy', 'directory.js'), 'utf8').trim()
  expect(readFileSync(join(root, 'docs', 'strategies.md'), 'utf8')).toContain(example)
})

/** `starling cluster nodes` and `fence`: from the table alone. */
import { describe, expect, test } from '@jest/globals'
import { fenceNode, showNodes, type ClusterPorts } from '../../src/admin/cluster-nodes.js'
import type { NodeRow } from '../../src/storage/cluster-tables.js'

const row = (hostname: string, change: Partial<NodeRow> = {}): NodeRow => ({
  hostname, secondary: undefined, password: 'hush', port: 5777, cpuUsage: 1, memUsage: 1, clusterName: 'c', incarnation: 3, bootNonce: 'n',
  state: 'up', beat: 10, viewNo: 1, advertise: `${hostname}:5777`, hostId: 'h', backup: undefined, backupIncarnation: undefined,
  strategy: 'broadcast', links: 1, certSha256: undefined, protocolMin: 1, protocolMax: 1, version: '0.1.0', services: {}, ...change
})

function ports(readings: readonly (readonly NodeRow[])[], fences = true) {
  const printed: string[] = []
  const paused: number[] = []
  let reading = 0
  const made: ClusterPorts = {
    clusterName: 'c', print: (text) => void printed.push(text),
    pause: async (ms) => void paused.push(ms),
    tables: { rows: async () => readings[Math.min(reading++, readings.length - 1)] ?? [], fence: async () => fences, isFenced: async () =>
      false }
  }
  return { made, printed, paused }
}

describe('starling cluster nodes', () => {
  const before = [row('a.example'), row('b.example', { beat: 7 })]
  const after = [row('a.example', { beat: 12, backup: 'b.example' }), row('b.example', { beat: 7, state: 'fenced', links: 0 }),
    row('c.example', { incarnation: 9, beat: 1 })]

  test('reads twice, two seconds apart, and shows beats seen in between in aligned columns', async () => {
    const { made, printed, paused } = ports([before, after])
    await showNodes(made, false)
    expect(paused).toEqual([2000])
    expect(printed.join('\n')).toBe([
      'NODE       INCARNATION  STATE   VERSION  BEATS  LINKS  BACKUP     ADDRESS',
      'a.example  3            up      0.1.0    2      1      b.example  a.example:5777',
      'b.example  3            fenced  0.1.0    0      0      -          b.example:5777',
      'c.example  9            up      0.1.0    1      1      -          c.example:5777'
    ].join('\n'))
  })

  test('--json has stable names and no password', async () => {
    const { made, printed } = ports([before, after])
    await showNodes(made, true)
    const [first] = JSON.parse(printed[0] ?? '') as object[]
    expect(first).toEqual({
      name: 'a.example', incarnation: 3, state: 'up', version: '0.1.0', beats: 2, links: 1, backup: 'b.example', address: 'a.example:5777',
      strategy: 'broadcast', services: {}
    })
    expect(printed.join('')).not.toContain('hush')
  })

  test('an empty table says so', async () => {
    const { made, printed } = ports([[]])
    await showNodes(made, false)
    expect(printed).toEqual(['no node of the cluster c has ever used this database'])
  })
})

describe('starling cluster fence', () => {
  test('fences the life that was seen', async () => {
    const { made, printed } = ports([[row('a.example')]])
    await fenceNode(made, 'a.example', 3)
    expect(printed).toEqual(['fenced incarnation 3 of a.example'])
  })

  test('a node whose beat goes on is not fenced: exit code 1', async () => {
    const { made } = ports([[row('a.example')]], false)
    await expect(fenceNode(made, 'a.example', 3)).rejects.toMatchObject({ exitCode: 1, message: expect.stringMatching(/is alive/) })
  })

  test('a life that is over already is no error, one that never was is', async () => {
    const { made, printed } = ports([[row('a.example', { state: 'left' })]])
    await fenceNode(made, 'a.example', 3)
    await fenceNode(made, 'a.example', 2)
    expect(printed).toHaveLength(2)
    await expect(fenceNode(made, 'a.example', 4)).rejects.toMatchObject({ exitCode: 1 })
    await expect(fenceNode(made, 'b.example', 1)).rejects.toMatchObject({ exitCode: 1 })
  })
})

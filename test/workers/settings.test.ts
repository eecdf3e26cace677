/** What a worker is told (cluster.md §7): names, ports and shares, made from the settings of the machine. */
import { describe, expect, test } from '@jest/globals'
import { machineName } from '../../src/cluster/configure.js'
import { settingsOf, type ServerSettings } from '../../src/groups.js'
import { workerSettings } from '../../src/worker.js'

const PG = '--user-db-uri=jdbc:postgresql://db.example.com/starling?user=starling'
const machine = (...argv: readonly string[]): ServerSettings =>
  settingsOf(['--property-file=/dev/null', '--tigase-primary-address=node1.example.com', ...argv])

describe('the settings of a worker', () => {
  test('§7 --workers=1 changes nothing', () => {
    const settings = machine('--cluster-mode=true', PG)
    expect(workerSettings(settings, 1)).toBe(settings)
  })

  test('§7 without cluster mode the workers find each other on loopback, and nobody else finds them', () => {
    const { cluster, doors } = workerSettings(machine('--workers=3', PG), 3).values
    expect(cluster).toMatchObject({
      mode: true, primaryAddress: 'node1.example.com/3', ports: [5779], listen: ['127.0.0.1'], allowLoopback: true,
      advertise: { host: '127.0.0.1', port: undefined }
    })
    expect(doors.adminListen).toMatchObject({ host: '127.0.0.1', port: 8082 })
    expect(doors.c2sPorts).toEqual([5222])
  })

  test('§7 with cluster mode each advertises a port of its own, under the name of the machine', () => {
    const given = ['--workers=2', '--cluster-mode=true', PG]
    expect(workerSettings(machine(...given), 2).values.cluster).toMatchObject({ advertise: undefined, listen: ['::'], allowLoopback: false })
    const { advertise } = workerSettings(machine(...given, '--cluster-advertise=10.0.0.1:6000'), 2).values.cluster
    expect(advertise).toMatchObject({ host: '10.0.0.1', port: 6001 })
  })

  test('§7 on SQLite they advertise loopback also with cluster mode', () => {
    const { cluster } = workerSettings(machine('--workers=2', '--cluster-mode=true', '--user-db=sqlite'), 1).values
    expect(cluster.advertise).toMatchObject({ host: '127.0.0.1' })
  })

  test('§7 what the machine has once is divided; a port that the system chooses stays so, an admin listener that is off, too', () => {
    const { values } = workerSettings(machine('--workers=3', PG, '--connections-max=100', '--cl-comp-ports=0', '--admin-listen='), 2)
    expect([values.addressLimits.connectionsMax, values.cluster.ports, values.doors.adminListen]).toEqual([34, [0], undefined])
  })

  test('the name of the machine is what its workers\' names begin with, and any other name itself', () => {
    expect(['a.example/12', 'a.example', 'a/b'].map(machineName)).toEqual(['a.example', 'a.example', 'a/b'])
  })

  test.each([['1', 1], ['4', 4], ['256', 256]])('--workers=%s', (word, count) => {
    expect(machine(`--workers=${word}`).values.server.workers).toBe(count)
  })

  test('--workers=auto is at least one', () => {
    expect(machine('--workers=auto').values.server.workers).toBeGreaterThanOrEqual(1)
  })

  test.each(['0', '257', 'many', '-1', '1.5'])('--workers=%s is refused', (word) => {
    expect(() => machine(`--workers=${word}`)).toThrow('a whole number from 1 to 256, or auto')
  })
})

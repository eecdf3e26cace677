/** `--workers=2` (cluster.md §7): one start, two members that share the client ports; what a killed one costs, and how all end. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { WebSocket } from 'ws'
import { empty, opening, post } from '../proxy/bosh-post.js'
import { TestClient } from '../support/client.js'
import { PROGRAM } from '../support/node-process.js'
import { say, takeUnavailable } from '../support/fault-cast.js'
import { SqlDoor } from '../support/rows.js'
import { until } from '../support/until.js'
import { Machine } from './machine.js'

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe.each(['sqlite', 'postgresql'] as const)('two workers on %s', (kind) => {
  let machine: Machine
  let sql: SqlDoor

  beforeAll(async () => {
    machine = await Machine.plan(kind)
    sql = new SqlDoor(machine.cluster.database)
    await machine.start()
  }, 60_000)
  afterAll(async () => {
    await machine.end()
    await sql.close()
  })

  test('§7 each is a full member: its own row, name and link port on loopback, the same machine', async () => {
    const rows = await sql.nodes()
    const { cluster } = machine.node.ports
    expect(rows.map((row) => [row['hostname'], Number(row['port']), row['advertise'], row['state']])).toEqual([
      ['box/1', cluster, `127.0.0.1:${cluster}`, 'up'], ['box/2', cluster + 1, `127.0.0.1:${cluster + 1}`, 'up']
    ])
    expect(rows[0]?.['host_id']).toBe(rows[1]?.['host_id'])
    const { stdout } = spawnSync(process.execPath, [PROGRAM, 'cluster', 'nodes', `--property-file=${machine.node.properties}`])
    expect(String(stdout)).toMatch(/^box\/1 +\d+ +up .*\nbox\/2 +\d+ +up /m)
  }, 20_000)

  test('§7 both serve the same ports; what one client writes to the other crosses the link, in order', async () => {
    const romeo = await machine.device('romeo', 1)
    const juliet = await machine.device('juliet', 2)
    const bodies = Array.from({ length: 50 }, (_, i) => `light ${i}`)
    say(romeo, juliet.jid, ...bodies)
    await juliet.message('light 49')
    expect(juliet.takeBodies()).toEqual(bodies.slice(0, 49))
    say(juliet, 'romeo@localhost', 'and back')
    await romeo.message('and back')
    await Promise.all([romeo.close(), juliet.close()])
  }, 30_000)

  test('§7 TLS begins in the worker, and the PROXY header names the client there', async () => {
    const secure = await machine.cluster.login(0, 'romeo', { tls: 'direct' })
    await secure.ping()
    const proxied = await TestClient.open(machine.node.ports.c2s + 1)
    proxied.write('PROXY TCP4 192.0.2.7 192.0.2.1 4711 5222\r\n')
    await proxied.openStream('localhost')
    await proxied.authenticate({ port: 0, user: 'juliet' })
    await proxied.openStream('localhost')
    await proxied.bind('balcony')
    const all = [...await machine.sessions(1), ...await machine.sessions(2)]
    expect(new Map(all).get('juliet@localhost/balcony')).toBe('192.0.2.7')
    await Promise.all([secure.close(), proxied.close()])
  }, 30_000)

  test('§6 BOSH: whichever worker takes a request, the session answers; its id names the worker', async () => {
    const { http } = machine.node.ports
    const sid = /\bsid=["']([^"']+)/.exec((await post({ port: http, body: opening(100) })).body)?.[1] ?? ''
    expect(sid).toMatch(/\.box\/[12]$/)
    for (let rid = 101; rid < 109; rid++) {                                  // connections go to the workers in turn
      const { status, body, headers } = await post({ port: http, body: empty(rid, sid) })
      expect([rid, status, body]).toEqual([rid, 200, expect.stringMatching(/^<body /)])
      expect(body).not.toContain('terminate')
      expect(String(headers['set-cookie'] ?? '%2F')).toContain('%2F')
    }
  }, 30_000)

  test('§7 WebSocket connections are shared, too', async () => {
    for (let i = 0; i < 2; i++) {
      const socket = new WebSocket(`ws://127.0.0.1:${machine.node.ports.http}/xmpp-websocket`, 'xmpp')
      await once(socket, 'open')
      socket.send(`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>`)
      expect(String((await once(socket, 'message'))[0])).toMatch(/^<open /)
      socket.terminate()
    }
  }, 20_000)

  test('§7 SIGHUP is passed on to every worker', async () => {
    machine.node.signal('SIGHUP')
    await until('both have read their certificates again', () =>
      new Set(machine.node.events('tls.reloaded').map((line) => line['worker'])).size === 2)
  }, 20_000)

  test('§5 kill -9 of one: the other goes on, its clients come back at once, it is a member again with a higher incarnation', async () => {
    const romeo = await machine.device('romeo', 1)
    const juliet = await machine.device('juliet', 2)
    romeo.write(`<presence to='${juliet.jid}'/>`)
    juliet.write(`<presence to='${romeo.jid}'/>`)
    await romeo.presence(juliet.jid)
    const before = Number((await sql.node('box/2'))['incarnation'])
    process.kill(machine.pid(2), 'SIGKILL')
    await juliet.gone()
    const again = await machine.cluster.login(0, 'juliet', { resource: 'again' })
    say(romeo, again.jid, 'still here')
    await again.message('still here')
    await romeo.presence(juliet.jid, 'unavailable')
    const [, { self }] = await machine.whole()
    expect(self.incarnation).toBeGreaterThan(before)
    await romeo.ping()
    expect(romeo.closed).toBe(false)
    expect(takeUnavailable(romeo)).toEqual([])
    expect(machine.node.events('worker.died')).toEqual([expect.objectContaining({ worker: 2, how: 'SIGKILL' })])
    const lives = await sql.run(`select fenced from cluster_fence where hostname = 'box/2' order by incarnation`)
    expect(lives.map((life) => Number(life['fenced']))).toEqual([1, 0])
    const third = await machine.device('nurse', 2)
    say(romeo, third.jid, 'across again')
    await third.message('across again')
  }, 60_000)

  test('§6 SIGTERM: every worker drains, its clients get system-shutdown, rows say left, exit 0', async () => {
    const clients = [await machine.device('romeo', 1), await machine.device('juliet', 2)]
    const code = await machine.node.stop()
    await Promise.all(clients.map((client) => client.gone()))
    expect(clients.map(({ streamError }) => streamError)).toEqual(['system-shutdown', 'system-shutdown'])
    expect(code).toBe(0)
    expect((await sql.nodes()).map((row) => row['state'])).toEqual(['left', 'left'])
  }, 40_000)

  test('§6 a signal that the system sends to parent and workers alike counts once: all drain, exit 0', async () => {
    await machine.start()
    const client = await machine.device('romeo', 1)
    for (const pid of [machine.pid(1), machine.pid(2), machine.node.pid]) process.kill(pid, 'SIGINT')
    expect(await machine.node.exited()).toBe(0)
    await client.gone()
    expect(client.streamError).toBe('system-shutdown')
    expect(machine.node.events('worker.ended-badly')).toEqual([])
    expect(machine.node.output).not.toContain('Unhandled')
    expect((await sql.nodes()).map((row) => row['state'])).toEqual(['left', 'left'])
  }, 60_000)

  test('§7 when the parent is killed, its workers drain and end; none stays behind', async () => {
    await machine.start()
    const client = await machine.device('romeo', 2)
    const pids = [machine.pid(1), machine.pid(2)]
    await machine.node.kill()
    await client.gone()
    expect(client.streamError).toBe('system-shutdown')
    await until('both workers have ended', () => !pids.some(isAlive))
    expect((await sql.nodes()).map((row) => row['state'])).toEqual(['left', 'left'])
  }, 60_000)

  test('§2 a name that a living process holds is not taken: it says who holds it and exits with 75', async () => {
    await machine.start()
    const { ports: { cluster, admin }, properties } = machine.node
    const other = spawnSync(process.execPath, [
      PROGRAM, 'run', `--property-file=${properties}`, `--cl-comp-ports=${cluster + 2}`, `--admin-listen=127.0.0.1:${admin + 2}`
    ], { encoding: 'utf8', timeout: 30_000 })
    expect(other.stdout + other.stderr).toMatch(/the node name box\/[12] is held by a live node/)
    expect(other.status).toBe(75)
    expect(await machine.node.stop()).toBe(0)
  }, 60_000)

  test('§6 a worker that is killed while all are ending: the parent names it and exits with 1', async () => {
    await machine.start()
    const ended = machine.node.events('worker.ended').length
    process.kill(machine.pid(1), 'SIGSTOP')
    machine.node.signal('SIGTERM')
    await until('the other has left', () => machine.node.events('worker.ended').length > ended)
    process.kill(machine.pid(1), 'SIGKILL')
    expect(await machine.node.exited()).toBe(1)
    expect(machine.node.events('worker.ended-badly')).toEqual([expect.objectContaining({ worker: 1, how: 'SIGKILL' })])
  }, 60_000)
})

describe('a configuration that cannot work', () => {
  test('§2 refused by the parent before any worker starts: exit 78', () => {
    const { status, stderr } = spawnSync(process.execPath, [PROGRAM, 'run', '--workers=0'], { encoding: 'utf8' })
    expect(status).toBe(78)
    expect(stderr).toContain('a whole number from 1 to 256, or auto')
  })

  test('§7 refused by a worker, whose link port is taken: the parent stops the others and exits with its 78', async () => {
    const machine = await Machine.plan('sqlite')
    const { cluster } = machine.node.ports
    const holder = createServer().listen({ host: '127.0.0.1', port: cluster + 1 })
    await once(holder, 'listening')
    machine.node.spawn()
    expect(await machine.node.exited()).toBe(78)
    expect(machine.node.output).toContain(`${cluster + 1} (EADDRINUSE): the port is taken`)
    expect(machine.node.events('worker.refused')).toEqual([expect.objectContaining({ worker: 2, how: 'exit code 78' })])
    expect(machine.node.events('worker.died')).toEqual([])
    holder.close()
    await machine.end()
  }, 60_000)
})

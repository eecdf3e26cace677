/** A node that runs out of descriptors: health says so, new clients are refused, those that are there go on, and it recovers. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { settled, Siege, Stranger } from './siege.js'

let siege: Siege
beforeAll(async () => { siege = await Siege.lay({ accounts: [] }) }, 90_000)
afterAll(async () => { await siege.stage.clear() }, 60_000)

interface Part { readonly state: string, readonly why: string }
interface Cluster { readonly health: { readonly parts: Readonly<Record<string, Part>> } }
const load = async () => ((await siege.stage.node.admin('/cluster')) as Cluster).health.parts['load']

test('descriptors at 90 %: degraded, resource-constraint for new clients, 503 for WebSocket; with room again all is well', async () => {
  const { node } = siege.stage
  const limit = siege.descriptors + 60
  execFileSync('prlimit', [`--pid=${node.pid}`, `--nofile=${limit}`])
  const held: Socket[] = []
  while (siege.descriptors < limit * 0.93) {
    const socket = connect({ host: '127.0.0.1', port: node.ports.http })
    socket.on('error', () => {})
    held.push(socket)
    await new Promise((done) => { setTimeout(done, 5) })
  }
  try {
    await settled(() => node.events('health.changed').some(({ part, state }) => part === 'load' && state === 'degraded'))
    expect((await load())?.why).toMatch(/descriptors/)
    const client = Stranger.at(siege.port, '127.0.0.1')
    expect(await client.until('</stream:stream>')).toMatch(/<resource-constraint .*<\/stream:error>/)
    expect((await fetch(`http://127.0.0.1:${node.ports.http}/healthz`)).status).toBe(200)
    expect(String(await node.admin('/metrics'))).toContain('starling_overload{why="descriptors"} 1')
    await siege.stage.others()
  } finally {
    for (const socket of held) socket.destroy()
  }
  await settled(() => node.events('health.changed').some(({ part, state }) => part === 'load' && state === 'ok'), 20_000)
  const after = Stranger.at(siege.port, '127.0.0.1')
  after.socket.write("<stream:stream to='im.test' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
  await after.until('<stream:features')
  after.socket.destroy()
}, 90_000)

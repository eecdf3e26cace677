/** Real meshes over loopback: cluster.md §2-§4. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { Jid } from '../../src/xmpp/jid.js'
import { MemoryTables } from './memory-tables.js'
import { envelope, linked, node, started, until, type TestNode } from './meshes.js'

const running: TestNode[] = []
const make = (name: string, tables: MemoryTables, more: Parameters<typeof node>[0]['settings'] = {}): TestNode => {
  const made = node({ name, tables, settings: more })
  running.push(made)
  return made
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.mesh.stop()))
})

describe('two nodes', () => {
  test('§4 exchange a ROUTE and an ANSWER over TLS 1.3', async () => {
    const tables = new MemoryTables()
    const [a, b] = [make('a.example', tables), make('b.example', tables)]
    await started(a, b)
    await until(() => linked(a, 'b.example') && linked(b, 'a.example'))
    const to = a.mesh.view().find((ref) => ref.name === 'b.example') ?? a.mesh.self
    expect(a.mesh.route(to, envelope(1, 'juliet@im.test'))).toBe(true)
    await until(() => a.arrived.answers.length === 1)
    expect(b.arrived.envelopes[0]?.from).toEqual(a.mesh.self)
    expect(b.arrived.envelopes[0]?.envelope.stanza.toString()).toBe(envelope(1, 'juliet@im.test').stanza.toString())
    expect(a.arrived.answers).toEqual([{ from: b.mesh.self, ask: 1, verdict: { kind: 'accept' } }])
  })

  test('§4 a stanza whose type no frame can hold is refused to its sender, and nothing else suffers', async () => {
    const tables = new MemoryTables()
    const [a, b] = [make('a.example', tables), make('b.example', tables)]
    await started(a, b)
    await until(() => linked(a, 'b.example') && linked(b, 'a.example'))
    const to = a.mesh.view().find((ref) => ref.name === 'b.example') ?? a.mesh.self
    const wide = envelope(1, 'juliet@im.test')
    expect(a.mesh.route(to, { ...wide, stanza: wide.stanza.with({ type: 'x'.repeat(70_000) }) })).toBe(true)
    expect(a.mesh.route(to, envelope(2, 'juliet@im.test'))).toBe(true)
    await until(() => a.arrived.answers.length === 2)
    const verdicts = a.arrived.answers.map(({ verdict }) => verdict)
    expect(verdicts).toEqual([
      { kind: 'reject', why: 'error', type: 'modify', condition: 'policy-violation' }, { kind: 'accept' }
    ])
    expect(b.arrived.envelopes).toHaveLength(1)
  })

  test('§5 hear of a bind and of a cache that must forget', async () => {
    const tables = new MemoryTables()
    const [a, b] = [make('a.example', tables), make('b.example', tables)]
    await started(a, b)
    a.mesh.bound(new Jid('romeo', 'im.test', 'orchard'), { ms: 7, count: 2 })
    await a.mesh.invalidate('blocks', 'romeo@im.test')
    expect(b.arrived.invalidated).toEqual(['blocks romeo@im.test'])
    expect(b.arrived.bound).toMatchObject([{ from: a.mesh.self, hlc: { ms: 7, count: 2 } }])
    expect(String(b.arrived.bound[0]?.jid)).toBe('romeo@im.test/orchard')
  })
})

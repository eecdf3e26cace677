/** One suite, every transport: what the stream room may rely on. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { attached, REPLY, testRoom, turns } from '../transport/support.js'
import type { RecordingSink, TestRoom } from '../transport/support.js'
import { ByteClient } from '../transport/tcp-client.js'
import { kinds } from './transport-kinds.js'
import type { Connected } from './transport-kinds.js'

const message = (id: string, body = 'hi'): string => `<message xmlns='jabber:client' id='${id}'><body>${body}</body></message>`

describe.each(kinds)('transport contract: $name', ({ kind, connect, closingTag }) => {
  let connected: Connected | undefined
  let room: TestRoom

  async function connectedSink(bounds = {}): Promise<{ sink: RecordingSink } & Connected> {
    room = testRoom(bounds)
    connected = await connect(room)
    return { ...connected, sink: attached(connected.transport) }
  }

  /** Header seen and answered. */
  async function opened(bounds = {}): Promise<{ sink: RecordingSink } & Connected> {
    const all = await connectedSink(bounds)
    all.client.open()
    await all.sink.until('header')
    all.transport.open(REPLY)
    all.transport.authenticated()
    return all
  }

  afterEach(async () => {
    ByteClient.cutAll()
    connected?.transport.destroy()
    await connected?.stop()
    connected = undefined
  })

  test('it names its kind and the other end', async () => {
    const { transport } = await connectedSink()
    expect(transport.kind).toBe(kind)
    expect(transport.peer.address).toBe('127.0.0.1')
  })

  test('a failed login is the address\'s business; an exempt one may fail', async () => {
    expect((await connectedSink()).transport.authFailed()).toBe(false)
  })

  test('a header comes first, then elements in order, each whole (RFC 6120 §4.2)', async () => {
    const { client, sink, transport } = await connectedSink()
    client.open()
    const { header } = await sink.until('header')
    expect(header.attrs['to']).toBe('im.test')
    transport.open(REPLY)
    for (const id of ['1', '2', '3']) client.send(message(id))
    for (const id of ['1', '2', '3']) expect((await sink.until('element')).element.attrs['id']).toBe(id)
  })

  test('pieces are joined: text, bytes, text make one element', async () => {
    const { client, transport } = await opened()
    transport.send("<message xmlns='jabber:client' id='a'>", Buffer.from('<body>grüße 🌍</body>'), '</message>')
    expect(await client.until('</message>')).toContain('<body>grüße 🌍</body>')
  })

  test('what is written keeps its order', async () => {
    const { client, transport } = await opened()
    for (let i = 0; i < 50; i++) transport.send(message(`o${i}`, `-${i}-`))
    const text = await client.until('-49-')
    const found = [...text.matchAll(/-(\d+)-/g)].map((match) => Number(match[1]))
    expect(found).toEqual([...Array(50).keys()])
  })

  test('an element may come in many pieces (RFC 6120 §11.6)', async () => {
    const { client, sink } = await opened()
    if (client.dribble === undefined) return
    client.dribble(message('d', '𐍈é漢'))
    expect((await sink.until('element')).element.inside.toString()).toBe('<body>𐍈é漢</body>')
  })

  test('pause holds the next element, also of the same chunk, and resume goes on', async () => {
    const { client, sink, transport } = await opened()
    sink.react = (seen) => { if (seen.kind === 'element') transport.pause() }
    client.send(message('1') + (kind === 'tcp' ? message('2') : ''))
    if (kind !== 'tcp') client.send(message('2'))
    await sink.until('element')
    expect(sink.names).toEqual(['1'])
    // a round trip in the other direction: nothing more came meanwhile
    transport.send(message('answer', 'written while paused'))
    await client.until('written while paused')
    expect(sink.names).toEqual(['1'])
    transport.resume()
    await sink.until('element')
    expect(sink.names).toEqual(['1', '2'])
  })

  test('pause and resume inside a callback lose nothing', async () => {
    const { client, sink, transport } = await opened()
    sink.react = (seen) => {
      if (seen.kind !== 'element') return
      transport.pause()
      transport.resume()
    }
    for (const id of ['1', '2', '3']) client.send(message(id))
    for (const id of ['1', '2', '3']) expect((await sink.until('element')).element.attrs['id']).toBe(id)
  })

  test('after restart a new header is expected (RFC 6120 §6.4.6)', async () => {
    const { client, sink, transport } = await opened()
    client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AA==</auth>")
    await sink.until('element')
    transport.restart()
    transport.send("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
    await client.until('success')
    client.open()
    await sink.until('header')
    transport.open(REPLY)
    client.send(message('after'))
    expect((await sink.until('element')).element.attrs['id']).toBe('after')
  })

  test('the end of the peer\'s stream is told (RFC 6120 §4.4, RFC 7395 §3.6, XEP-0124 §13)', async () => {
    const { client, sink, transport } = await opened()
    client.close()
    await sink.until('closed')
    transport.end()
    await client.until(closingTag)
  })

  test('bytes that are no XML are a fault, after which nothing is delivered', async () => {
    const { client, sink } = await opened()
    client.send('<message><body></message>')
    if (kind === 'bosh') return void await client.until("condition='bad-request'")   // XEP-0124 §17.2
    client.send(message('late'))
    const { fault } = await sink.until('fault')
    expect(fault.condition).toBe('not-well-formed')
    expect(sink.names).toEqual([])
  })

  test('after end the closing tag is the last, and the connection is over within 5 s whatever the peer does', async () => {
    const { client, sink, transport } = await opened()
    transport.send(message('last', 'last words'))
    transport.end()
    expect(await client.until(closingTag)).toContain('last words')
    room.clock.move(5_250)
    await sink.until('gone')
    expect(sink.seen.filter((seen) => seen.kind === 'gone')).toHaveLength(1)
  })

  test('destroy ends it at once, and gone comes once', async () => {
    const { sink, transport } = await opened()
    transport.destroy()
    transport.destroy()
    await sink.until('gone')
    expect(sink.seen.filter((seen) => seen.kind === 'gone')).toHaveLength(1)
  })

  test('a cut connection is gone', async () => {
    const { client, sink } = await opened()
    client.cut()
    while (kind === 'bosh' && !sink.seen.some((seen) => seen.kind === 'gone')) {
      room.clock.move(61_000)                          // no request open: XEP-0124 §10
      await turns(1)
    }
    await sink.until('gone')
  })

  test('send says no when too much waits, and drained follows when the peer reads on', async () => {
    const { client, sink, transport } = await opened({ pendingBytesMax: 1_048_576 })
    client.stopReading()
    const chunk = message('x', 'y'.repeat(262_000))
    let sent = 0
    while (transport.send(chunk)) {
      if (++sent > 200) throw new Error('never full')
      await new Promise((resolve) => { setImmediate(resolve) })
    }
    expect(transport.pendingBytes).toBeGreaterThan(1_048_576)
    client.goOnReading()
    const reading = kind === 'tcp' ? undefined : client.until('never').catch(() => {})
    await sink.until('drained')
    expect(transport.pendingBytes).toBeLessThanOrEqual(1_048_576)
    transport.destroy()
    await sink.until('gone')
    await reading
  })
})

/** What a link reads in one turn of the event loop: docs/backpressure.md. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { FRAME } from '../../src/cluster/frames.js'
import { Link } from '../../src/cluster/link.js'
import { HandClock } from '../transport/support.js'
import { largestTurn } from '../support/turns.js'
import { frames } from './raw-link.js'

let server: Server | undefined

afterEach(() => { server?.close() })

/** A link without TLS and what writes to it. */
async function linked(): Promise<{ readonly link: Link, readonly other: Socket }> {
  server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const came = once(server, 'connection')
  const other = connect(address.port, '127.0.0.1')
  const [raw] = await came as [Socket]
  return { link: await Link.accept(raw, undefined, new HandClock()), other }
}

describe('a link', () => {
  test('a node that sends megabytes at once is read a piece a turn, so that the clients have theirs', async () => {
    const { link, other } = await linked()
    frames.begin(FRAME.PING, 0).raw(Buffer.alloc(1_000))
    const frame = frames.finish()
    const largest = largestTurn(2_000, (note) => {
      link.open({ frame: ({ body }) => { note(body.length) }, flushing() {}, closed() {} })
    })
    other.write(Buffer.concat(Array.from({ length: 2_000 }, () => frame)))
    expect(await largest).toBeLessThan(3 * 65_536)
    link.destroy('over')
    other.destroy()
  })
})

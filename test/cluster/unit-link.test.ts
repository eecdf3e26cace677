/** What a link reads in one turn of the event loop: docs/backpressure.md. */
import { describe, expect, test } from '@jest/globals'
import { FRAME } from '../../src/cluster/frames.js'
import { Link } from '../../src/cluster/link.js'
import { HandClock } from '../transport/support.js'
import { socketPair } from '../support/sockets.js'
import { largestTurn } from '../support/turns.js'
import { frames } from './raw-link.js'

describe('a link', () => {
  test('a node that sends megabytes at once is read a piece a turn, so that the clients have theirs', async () => {
    const { socket, client, end } = await socketPair()
    const link = await Link.accept(socket, undefined, new HandClock())
    frames.begin(FRAME.PING, 0).raw(Buffer.alloc(1_000))
    const frame = frames.finish()
    const largest = largestTurn(2_000, (note) => {
      link.open({ frame: ({ body }) => { note(body.length) }, flushing() {}, closed() {} })
    })
    client.write(Buffer.concat(Array.from({ length: 2_000 }, () => frame)))
    expect(await largest).toBeLessThan(3 * 65_536)
    end()
  })
})

/** Sockets that are read into one buffer. */
import { describe, expect, test } from '@jest/globals'
import { once } from 'node:events'
import { Socket } from 'node:net'
import { namesOf, shareReads } from '../../src/transport/shared-reads.js'
import { socketPair } from '../support/sockets.js'

describe('shared reads', () => {
  test('this version of Node has them: what is read comes by call, one buffer for all, and not by `data`', async () => {
    const first = await socketPair()
    const second = await socketPair()
    const buffers = new Set<Buffer>()
    for (const { socket, client } of [first, second]) {
      const text = new Promise<string>((resolve) => {
        expect(shareReads(socket, (length, buffer) => {
          buffers.add(buffer)
          resolve(buffer.toString('utf8', 0, length))
        })).toBe(true)
      })
      socket.on('data', () => { throw new Error('came by data') })
      client.write('hello')
      expect(await text).toBe('hello')
    }
    expect(buffers.size).toBe(1)
    first.end()
    second.end()
  })

  test('reading rests while the socket is paused, and the end is seen', async () => {
    const { socket, client, end } = await socketPair()
    let text = ''
    shareReads(socket, (length, buffer) => {
      text += buffer.toString('utf8', 0, length)
    })
    socket.resume()
    socket.pause()
    client.end('hello')
    await new Promise((resolve) => { setTimeout(resolve, 50) })
    expect(text).toBe('')
    const over = once(socket, 'end')
    socket.resume()
    await over
    expect(text).toBe('hello')
    end()
  })

  test('another call hands what comes from then on to another', async () => {
    const { socket, client, end } = await socketPair()
    const next = (): Promise<string> => new Promise((resolve) => {
      shareReads(socket, (length, buffer) => { resolve(buffer.toString('utf8', 0, length)) })
    })
    for (const word of ['first', 'second', 'third']) {
      const heard = next()
      client.write(word)
      expect(await heard).toBe(word)
    }
    end()
  })

  test('where Node has other names for it, or the socket is gone, all stays as it was', async () => {
    expect(namesOf({})).toBeNull()
    const { socket, client, end } = await socketPair()
    expect(shareReads(socket, () => {}, null)).toBe(false)
    const data = once(socket, 'data')
    client.write('hello')
    expect(String((await data)[0])).toBe('hello')
    expect(shareReads(new Socket(), () => {})).toBe(false)
    end()
  })
})

/**
 * Takes the PROXY header off the front of a connection and puts back what follows it.
 */
import type { Socket } from 'node:net'
import { parseProxyHeader } from './proxy-protocol.js'
import type { ProxyHeader } from './proxy-protocol.js'
import type { Timed, Wheel } from './wheel.js'

/** The header, or why there is none. The socket is left paused, with the client's first bytes put back. */
export function readProxyHeader(socket: Socket, wheel: Wheel, waitMs: number): Promise<ProxyHeader | string> {
  return new Promise((resolve) => {
    let seen: Buffer = Buffer.alloc(0)
    const late: Timed = {
      check() {
        done('no PROXY protocol header in time')
        return Infinity
      }
    }
    const onData = (chunk: Buffer): void => {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
      const result = parseProxyHeader(seen)
      if (result.kind === 'garbage') { done(result.why); return }
      if (result.kind === 'more') return
      const { header } = result
      done(header, seen.subarray(header.size))
    }
    const onClose = (): void => done('closed before the PROXY protocol header was complete')
    const done = (outcome: ProxyHeader | string, rest?: Buffer): void => {
      wheel.forget(late)
      socket.off('data', onData).off('close', onClose).off('end', onClose)
      socket.pause()
      if (rest !== undefined && rest.length > 0) socket.unshift(rest)
      resolve(outcome)
    }
    wheel.look(late, wheel.now() + waitMs)
    socket.on('data', onData).on('close', onClose).on('end', onClose).resume()
  })
}

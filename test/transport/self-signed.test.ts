/** Certificates that the server makes for itself: what clients check in them. */
import { afterEach, expect, test } from '@jest/globals'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server } from 'node:tls'
import { selfSigned } from '../../src/transport/self-signed.js'

let server: Server | undefined
afterEach(() => { server?.close() })

test('who trusts the certificates of two nodes with one name can connect to both (RFC 5280 §4.2.1.1)', async () => {
  const made = await Promise.all([1, 2].map(() => selfSigned({ names: ['localhost'], now: Date.now(), days: 2 })))
  for (const { certificate: cert, key } of made) {
    const one = createServer({ cert, key })
    server = one
    await new Promise<void>((done) => one.listen(0, '127.0.0.1', done))
    const { port } = one.address() as AddressInfo
    const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca: made.map(({ certificate }) => certificate) })
    await new Promise((done, failed) => { socket.once('secureConnect', done).once('error', failed) })
    expect(socket.authorized).toBe(true)
    socket.destroy()
    one.close()
  }
})

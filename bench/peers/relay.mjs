/**
 * What Node itself takes, and the machine: a relay that looks at nothing. A client says `U <n>` in a line of its own; whatever comes from
 * it afterwards goes to client n ^ 1. Its argument is the port.
 */
import { createServer } from 'node:net'

const clients = new Map()

createServer({ noDelay: true }, (socket) => {
  let number
  socket.on('error', () => socket.destroy()).on('close', () => clients.delete(number))
  socket.on('data', (chunk) => {
    if (number !== undefined) {
      clients.get(number ^ 1)?.write(chunk)
      return
    }
    number = Number(chunk.toString('latin1').slice(2))
    clients.set(number, socket)
  })
}).listen(Number(process.argv[2]), '127.0.0.1')

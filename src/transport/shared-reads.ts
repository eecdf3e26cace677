/**
 * One buffer for what all sockets read, each read of which is dealt with before the next. Node gives each read 64 KB of its own,
 * cuts them to what came and takes the rest of the stream's machinery through it; `onread` (net.Socket) does without, but only
 * for sockets that connect. For accepted ones it is switched on afterwards, by the names that it has inside of Node.
 */
import { Socket } from 'node:net'
import type { ConnectOpts, SocketConstructorOpts } from 'node:net'

type Take = (this: Socket, length: number, buffer: Buffer) => void

/** As much as libuv reads at once. */
const shared = Buffer.allocUnsafeSlow(65_536)

interface Names {
  readonly buffer: symbol
  readonly take: symbol
}

const connecting: SocketConstructorOpts & ConnectOpts = { onread: { buffer: shared, callback: () => true } }
/** `null` where Node calls them something else. */
const NAMES = namesOf(new Socket(connecting))

export function namesOf(socket: object): Names | null {
  const named = (description: string): symbol | undefined =>
    Object.getOwnPropertySymbols(socket).find((symbol) => symbol.description === description)
  const [buffer, take] = [named('kBuffer'), named('kBufferCb')]
  return buffer === undefined || take === undefined ? null : { buffer, take }
}

interface Handle {
  useUserBuffer?(buffer: Buffer): void
}

type Shared = Socket & Record<symbol, unknown>

/**
 * From the next read on `take` gets the bytes of a socket, which are good until it returns, and `data` is not emitted any more.
 * Another call hands them to another.
 * @returns `false`: this Node has no way to, and all stays as it was
 */
export function shareReads(socket: Socket, take: Take, names = NAMES): boolean {
  const { _handle: handle } = socket as { readonly _handle?: Handle | null }
  if (names === null || handle?.useUserBuffer === undefined) return false
  const known = socket as Shared
  const begun = known[names.buffer] === shared
  known[names.buffer] = shared
  known[names.take] = take
  if (!begun) handle.useUserBuffer(shared)
  return true
}

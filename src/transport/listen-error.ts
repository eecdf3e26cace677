/**
 * A port that cannot be opened, said so that an operator knows what, where and what to do.
 */
import { codeOf, messageOf } from './failure.js'

export interface Place {
  readonly host: string
  readonly port: number
  readonly option: string
}

const MEANINGS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there already; stop it, or choose another port',
  EADDRNOTAVAIL: 'this machine has no such address; choose one of its own with --listen',
  EACCES: 'ports below 1024 need a privilege; choose a higher port, or grant CAP_NET_BIND_SERVICE',
  EAFNOSUPPORT: 'this machine does not speak that family of addresses; choose another with --listen',
  ENOTFOUND: 'no such host name; use an address of this machine'
}

export class ListenError extends Error {
  readonly code: string

  constructor(readonly place: Place, cause: unknown) {
    const code = codeOf(cause)
    const where = place.host.includes(':') ? `[${place.host}]:${place.port}` : `${place.host}:${place.port}`
    const meaning = MEANINGS[code] ?? messageOf(cause)
    super(`${place.option}: cannot listen on ${where} (${code}): ${meaning}`, { cause })
    this.name = 'ListenError'
    this.code = code
  }
}

export function noSuchFamily(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL'
}

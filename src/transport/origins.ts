/**
 * Which web pages may connect (RFC 6454, Fetch §3.2): the list of `--http-origins`, and the headers that tell browsers.
 * Pure. A client that is no browser sends no Origin and is not concerned.
 */
export class Origins {
  readonly #any: boolean
  readonly #listed: ReadonlySet<string>

  constructor(list: readonly string[]) {
    this.#any = list.includes('*')
    this.#listed = new Set(list.map((origin) => origin.toLowerCase().replace(/\/$/, '')))
  }

  allows(origin: string | undefined): boolean {
    return origin === undefined || this.#any || this.#listed.has(origin.toLowerCase())
  }

  /** Credentials (the balancer's cookie) only for origins that are named: a star with credentials would be everybody. */
  headersFor(origin: string | undefined): Readonly<Record<string, string>> {
    if (origin === undefined) return {}
    if (this.#listed.has(origin.toLowerCase())) {
      return { 'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true', vary: 'Origin' }
    }
    return this.#any ? { 'access-control-allow-origin': '*' } : { vary: 'Origin' }
  }
}

/** Answer to a preflight request. */
export const PREFLIGHT = {
  'access-control-allow-methods': 'POST, OPTIONS',
  'access-control-allow-headers': 'Content-Type',
  'access-control-max-age': '86400'
} as const

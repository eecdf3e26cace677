/**
 * Addresses (RFC 7622). A `Jid` is immutable and already prepared by PRECIS; equality is equality of its string.
 */
export class JidError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'JidError'
  }
}

export class Jid {
  readonly #text: string
  readonly #bare: Jid | undefined

  /** Parts must be prepared already; use `parseJid` or `withResource` for anything from outside. */
  constructor(readonly local: string, readonly domain: string, readonly resource: string) {
    const bare = local === '' ? domain : `${local}@${domain}`
    this.#text = resource === '' ? bare : `${bare}/${resource}`
    this.#bare = resource === '' ? undefined : new Jid(local, domain, '')
  }

  get bare(): Jid {
    return this.#bare ?? this
  }

  get isBare(): boolean {
    return this.#bare === undefined
  }

  equals(other: Jid | undefined): boolean {
    return other !== undefined && this.#text === other.#text
  }

  toString(): string {
    return this.#text
  }
}

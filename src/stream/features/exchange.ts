/** What a login is, whatever mechanism it uses and whatever XML carries it (RFC 4422): what it is given, what it answers. */
import { offerHash, type ScramHash } from '../../rules/scram.js'
import type { BindingType, TlsFacts, TransportKind } from '../../transport/transport.js'
import { JidError, parseJid, type Jid } from '../../xmpp/jid.js'
import { SaslFailure, type Authenticator, type Identity } from '../authenticator.js'

export type Answer =
  | { readonly kind: 'challenge'; readonly data: string }
  | { readonly kind: 'success'; readonly data: string | undefined; readonly identity: Identity }

/** One run of one mechanism. Throws or rejects with `SaslFailure`. */
export interface Exchange {
  next(message: Buffer): Answer | Promise<Answer>
}

/** What does not change from stream to stream. */
export interface LoginRules {
  readonly authenticator: Authenticator
  readonly tlsRequired: (domain: string) => boolean
  /** PLAIN is there at all; over TLS only, unless `plainWithoutTls`. */
  readonly plain: boolean
  readonly plainWithoutTls: boolean
  /** Channel-binding types that may be offered. */
  readonly bindings: readonly string[]
  /** What streams of one kind are offered: kept, because most are alike. */
  readonly known: Map<string, Offer>
}

/** The stream that somebody logs in on; a `FeatureHost` is one. */
export interface LoginStream {
  readonly kind: TransportKind
  readonly domain: string
  readonly flags: { readonly secure: boolean }
  readonly peer: { readonly tls?: TlsFacts | undefined }
  /** Who the header said it is. */
  readonly claimed?: Jid | undefined
}

/** What a stream was told, to the letter: SCRAM tells the client a hash of it (XEP-0474). */
export class Offer {
  readonly #hashes = new Map<ScramHash, string>()

  /** @param bindings for XEP-0440 */
  constructor(readonly mechanisms: readonly string[], readonly bindings: readonly BindingType[]) {}

  hash(hash: ScramHash): string {
    const known = this.#hashes.get(hash)
    if (known !== undefined) return known
    const made = offerHash(hash, this.mechanisms, this.bindings)
    this.#hashes.set(hash, made)
    return made
  }
}

export interface ExchangeParts {
  readonly rules: LoginRules
  readonly stream: LoginStream
  /** What was sent on this stream in the profile of SASL that is used. */
  readonly offer: Offer
}

/** RFC 6120 §6.3.8: nobody acts for another account here, and an authorization identity is a bare JID, the header's (XEP-0388 §4.4). */
export function checkAuthzid(authzid: string | undefined, { jid }: Identity, { claimed = jid }: Pick<LoginStream, 'claimed'>): void {
  if (authzid === undefined || authzid === '') return
  if (jidOf(authzid)?.equals(jid) !== true) throw new SaslFailure('invalid-authzid', 'to act for somebody else')
  if (!claimed.equals(jid)) throw new SaslFailure('invalid-authzid', 'the header named another account')
}

/** `undefined` for what is no address. */
export function jidOf(text: string): Jid | undefined {
  try {
    return parseJid(text)
  } catch (error) {
    if (error instanceof JidError) return undefined
    throw error
  }
}

/**
 * FAST (XEP-0484): tokens in place of passwords. What is offered, a login with a token, a new token for `<success/>`. How tokens
 * are made and checked is `session/tokens.ts`. TLS 0-RTT is not offered: Node cannot receive it.
 */
import { parseHashedToken } from '../../rules/hashed-token.js'
import type { BindingType } from '../../transport/transport.js'
import { dateTime } from '../../xmpp/datetime.js'
import { SaslFailure, type Identity, type TokenLogin, type Tokens } from '../authenticator.js'
import { NS_FAST } from '../namespaces.js'
import type { Wish } from './authenticate.js'
import type { FeatureHost } from './feature.js'

const CHANNELS: readonly (readonly [mechanism: string, binding: BindingType | undefined])[] = [
  ['HT-SHA-256-EXPR', 'tls-exporter'], ['HT-SHA-256-ENDP', 'tls-server-end-point'], ['HT-SHA-256-NONE', undefined]
]
const UNBOUND = Buffer.alloc(0)

/** @param bindings that the stream offers */
export function tokenMechanisms(bindings: readonly BindingType[]): readonly string[] {
  return CHANNELS.filter(([, binding]) => binding === undefined || bindings.includes(binding)).map(([name]) => name)
}

/** §3.1. */
export function fastOffer(mechanisms: readonly string[]): string {
  return `<fast xmlns='${NS_FAST}'>${mechanisms.map((name) => `<mechanism>${name}</mechanism>`).join('')}</fast>`
}

export interface TokenExchange {
  next(message: Buffer): Promise<TokenAnswer>
}

interface TokenAnswer {
  readonly kind: 'success'
  readonly data: Buffer
  readonly identity: Identity
  /** The token should be replaced. */
  readonly due: boolean
}

/** §3.4: one message is all. Rejects with `SaslFailure`. */
export function tokenExchange(tokens: Tokens, wish: Wish, host: FeatureHost): TokenExchange {
  return {
    async next(message) {
      const { identity, answer, due } = await login(tokens, wish, host, message)
      return { kind: 'success', data: answer, identity, due }
    }
  }
}

async function login(tokens: Tokens, { mechanism, agent, fast }: Wish, host: FeatureHost, message: Buffer): Promise<TokenLogin> {
  if (fast === undefined || agent === undefined) {
    throw new SaslFailure('malformed-request', 'a token without <fast/> or without the id of a client')   // §4.1
  }
  const shown = parseHashedToken(message)
  if (shown === undefined) throw new SaslFailure('malformed-request', 'not authcid NUL hashed-token')
  const type = CHANNELS.find(([name]) => name === mechanism)?.[1]
  const binding = type === undefined ? UNBOUND : host.peer.tls?.channelBinding(type)
  if (binding === undefined) throw new SaslFailure('not-authorized', `no channel binding of the type ${type} here`, { beforeNames: true })
  return tokens.login({ ...shown, ...fast, domain: host.domain, agent, mechanism, binding })
}

/** Who asks for a token, and what the stream offers. */
export interface TokenRequest {
  readonly wish: Wish
  readonly identity: Identity
  /** The token that was shown should be replaced (§3.5). */
  readonly due: boolean
  readonly mechanisms: readonly string[]
}

/** `<token/>`, or '' where none is wanted or can be had; the login does not fail for it. */
export async function newToken(tokens: Tokens, { wish, identity, due, mechanisms }: TokenRequest): Promise<string> {
  const { requestToken, agent, mechanism } = wish
  // §3.6: who gives a token back gets no other unless asked for.
  const next = requestToken ?? (due && wish.fast?.invalidate !== true ? mechanism : undefined)
  if (agent === undefined || next === undefined || !mechanisms.includes(next)) return ''
  const made = await tokens.issue(identity, agent, next)
  return made === undefined ? '' : `<token xmlns='${NS_FAST}' expiry='${dateTime(made.expiresAt)}' token='${made.token}'/>`
}

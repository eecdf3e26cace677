/**
 * Stream features as values (RFC 6120 §4.3): which flags they need and forbid, which they set, and how they negotiate.
 * The functions here are the whole of the negotiation's rules; `stream.ts` is the loop that runs them.
 */
import type { Clock } from '../../telemetry/clock.js'
import type { TransportKind } from '../../transport/transport.js'
import type { RawElement } from '../../xml/raw.js'
import type { Jid } from '../../xmpp/jid.js'
import type { Identity } from '../authenticator.js'
import type { OpenStream, StanzaConsumer } from '../open-stream.js'

/**
 * `sasl`, `sasl2`: the stream logs in by this profile of SASL, and by no other. `managed`: stanzas are counted since the login
 * (XEP-0198 §9.1).
 */
export type Flag = 'secure' | 'sasl' | 'sasl2' | 'authenticated' | 'bound' | 'managed'
export type Flags = Readonly<Record<Flag, boolean>>

/**
 * `more`: this feature or another one may go on. `mine`: whatever comes next is this feature's. `done`: it is negotiated, its
 * flags are set. `over`: nothing follows from this element, because the stream has ended or is taking up TLS.
 */
export type Outcome = 'more' | 'mine' | 'done' | 'over'

/** What a feature may see and do of the stream that it is negotiated on. */
export interface FeatureHost extends OpenStream {
  readonly flags: Flags
  readonly kind: TransportKind
  /** Of the stream as it is now, for the log. */
  readonly id: string
  /** The served domain that the peer asked for. */
  readonly domain: string
  /** Who the peer said it is, in a header that TLS protected (RFC 6120 §6.4.6). */
  readonly claimed: Jid | undefined
  readonly identity: Identity | undefined
  readonly clock: Clock
  /** Whoever owns the stanzas, once a resource is bound. */
  readonly consumer: StanzaConsumer | undefined
  /** The peer has failed to show who it is. True: its address has failed too often; end the stream. */
  authFailed(): boolean
  /** The peer is `identity`; larger limits hold. Before the reply that says so. */
  authenticated(identity: Identity): void
  /** After `<proceed/>`: takes up TLS and raises `flags`; a new header follows. */
  secure(flags: readonly Flag[]): void
  raise(flags: readonly Flag[]): void
  /** Says `<stream:features/>` as they are now, without a new header (XEP-0388 §2.6.1). */
  announce(): void
  /** Stanzas go to `consumer` from now on. */
  bound(jid: Jid, consumer: StanzaConsumer): void
}

/** The negotiation of one feature on one stream. Throws `StreamError` to end the stream. */
export interface Negotiator {
  take(element: RawElement): Outcome | Promise<Outcome>
}

export interface Feature {
  readonly id: string
  readonly needs: readonly Flag[]
  readonly forbids: readonly Flag[]
  readonly sets: readonly Flag[]
  /** A new stream header follows (RFC 6120 §4.3.3). */
  readonly restarts: boolean
  /**
   * True for elements that are this feature's business, whether they come at the right time or not. `flags` are for those
   * whose elements are somebody else's at another time.
   */
  claims(element: RawElement, flags: Flags): boolean
  /** What to say in `<stream:features/>` while the flags fit; '' for nothing. */
  offer(host: FeatureHost): string
  begin(host: FeatureHost): Negotiator
  /** Deals with an element that comes when the flags do not fit. Throws `StreamError` to end the stream. */
  misplaced(element: RawElement, host: FeatureHost): Outcome
}

export function fits(feature: Pick<Feature, 'needs' | 'forbids'>, flags: Flags): boolean {
  for (const flag of feature.needs) if (!flags[flag]) return false
  for (const flag of feature.forbids) if (flags[flag]) return false
  return true
}

/** What `<stream:features/>` contains now, in the order of `features`. */
export function offers(features: readonly Feature[], host: FeatureHost): string {
  let text = ''
  for (const feature of features) if (fits(feature, host.flags)) text += feature.offer(host)
  return text
}

export function claimant(features: readonly Feature[], element: RawElement, flags: Flags): Feature | undefined {
  return features.find((feature) => feature.claims(element, flags))
}

const FLAGS = ['secure', 'sasl', 'sasl2', 'authenticated', 'bound', 'managed'] as const satisfies readonly Flag[]
/** All that there can be, so that streams share them; by their bits in the order of `FLAGS`. */
const STATES: readonly Flags[] = Array.from({ length: 1 << FLAGS.length }, (_, bits) => {
  const [secure, sasl, sasl2, authenticated, bound, managed] = FLAGS.map((_flag, index) => (bits & (1 << index)) !== 0)
  return { secure, sasl, sasl2, authenticated, bound, managed } as Flags
})

export function raised(flags: Partial<Flags>, sets: readonly Flag[]): Flags {
  let bits = 0
  FLAGS.forEach((flag, index) => { if (flags[flag] === true || sets.includes(flag)) bits |= 1 << index })
  return STATES[bits] as Flags
}

/**
 * What kind of stream it is, as data: clients' streams are one profile, others will be more of them. The machine that
 * runs them all is `stream.ts`.
 */
import type { Authenticator, Tokens } from './authenticator.js'
import { advertised } from './features/advertised.js'
import { bind, type Binder } from './features/bind.js'
import { clientState } from './features/csi.js'
import type { LoginRules } from './features/exchange.js'
import type { Feature } from './features/feature.js'
import { limits, type ToldLimits } from './features/limits.js'
import { register } from './features/register.js'
import { sasl } from './features/sasl.js'
import { sasl2 } from './features/sasl2.js'
import { legacySession } from './features/session.js'
import { streamManagement } from './features/sm.js'
import { starttls } from './features/starttls.js'
import { LoginTries } from './features/tries.js'
import type { StreamSettings } from './options.js'
import type { Registrar } from './registrar.js'

/** The served domains, prepared. */
export interface Domains {
  /** Serves streams whose header names none (RFC 6120 §4.7.2). */
  readonly first: string
  serves(domain: string): boolean
  /** Nothing is negotiated before TLS. */
  tlsRequired(domain: string): boolean
}

export interface Profile {
  readonly name: 'c2s'
  readonly domains: Domains
  /** In the order in which they are offered. */
  readonly features: readonly Feature[]
  /** Milliseconds from the connection to the proof of who it is. */
  readonly authenticatedMs: number
  /** Milliseconds from that proof to a bound resource. */
  readonly bindMs: number
}

export interface C2sParts {
  readonly settings: StreamSettings
  readonly domains: Domains
  readonly authenticator: Authenticator
  readonly registrar: Registrar
  readonly binder: Binder
  /** Drawn once, the same on all nodes: turns what clients are told into what nobody can guess. */
  readonly loginSecret: Buffer
  /** `undefined`: nobody gets any. */
  readonly tokens: Tokens | undefined
  /** What the transports take. */
  readonly limits: ToldLimits
  /** What plugins say after authentication: XML that stands alone inside `<stream:features/>`. */
  readonly extras: () => string
}

export function c2sProfile(parts: C2sParts): Profile {
  const { settings, domains, authenticator, registrar, binder, tokens, extras } = parts
  const tlsRequired = (domain: string): boolean => domains.tlsRequired(domain)
  const rules: LoginRules = {
    authenticator, tlsRequired, plain: settings.saslPlain, plainWithoutTls: settings.saslPlainWithoutTls, bindings: settings.saslBindings,
    known: new Map()
  }
  const tries = new LoginTries({ tries: settings.saslTries, delayMs: settings.saslDelayMs })
  return {
    name: 'c2s',
    domains,
    authenticatedMs: settings.authenticatedSeconds * 1000,
    bindMs: settings.bindSeconds * 1000,
    features: [
      starttls(tlsRequired),
      sasl({ rules, tries }),
      sasl2({ rules, tries, tokens, binder, secret: parts.loginSecret }),
      register({ registrar, tlsRequired }),
      bind(binder),
      streamManagement(binder),
      clientState,
      legacySession,
      limits(parts.limits, tlsRequired),
      advertised('extras', extras)
    ]
  }
}

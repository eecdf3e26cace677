/** What operators may set about streams. Limits on bytes and the time to the first header are the transports'. */
import { flag, integer, list, milliseconds, options, seconds, type Option, type Values } from '../config/option.js'
import { BINDING_TYPES } from '../transport/transport.js'

function bindings(): Option<readonly string[]> {
  const plain = list('--sasl-channel-bindings', BINDING_TYPES,
    'Channel bindings of SCRAM to offer, or none; none where something that is not trusted to say so ends TLS before this server.')
  return {
    ...plain, kind: `list of ${BINDING_TYPES.join(', ')}`,
    parse(t) {
      const found = plain.parse(t).filter((type) => type !== 'none')
      if (found.every((type) => BINDING_TYPES.some((known) => known === type))) return found
      throw new Error(`of ${BINDING_TYPES.join(', ')}, or none`)
    },
    print: (types) => types.join(',') || 'none'
  }
}

export const streamOptions = options({
  vhostTlsRequired: flag('--vhost-tls-required', true,
    'Clients must use TLS before they log in; a virtual host may say otherwise.'),
  saslPlain: flag('--sasl-plain', true,
    'Offers the mechanism PLAIN, over TLS: old clients know nothing else, but it shows the password to whoever ends TLS.'),
  saslBindings: bindings(),
  saslPlainWithoutTls: flag('--sasl-plain-without-tls', false,
    'Offers the mechanism PLAIN on connections without TLS too: everybody on the way can read the password.'),
  authenticatedSeconds: seconds('--c2s-auth-timeout', 60, 2, 900,
    'A stream that has not logged in after this time since the connection is closed.'),
  bindSeconds: seconds('--c2s-bind-timeout', 15, 1, 600,
    'A stream that has logged in and not bound a resource after this time is closed.'),
  idleSeconds: seconds('--idle-seconds', 360, 10, 86_400,
    'A client over TCP that says nothing for so long is asked for a sign of life; a minute later it is gone.'),
  saslTries: integer('--sasl-tries', 5, 2, 5,
    'Failed logins that a stream may have; the next one closes it (RFC 6120 §6.4.5 allows 2 to 5).'),
  saslDelayMs: milliseconds('--sasl-failure-delay', 200, 0, 10_000,
    'A failed login is answered after this time and up to a quarter more, whatever the reason was.')
})
export type StreamSettings = Values<typeof streamOptions>

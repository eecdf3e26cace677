/** Namespaces of streams and of what is negotiated on them (RFC 6120 §4.8, §5-§7; RFC 7395 §3.3.2). */
export const NS_STREAMS = 'http://etherx.jabber.org/streams'
export const NS_STREAM_ERRORS = 'urn:ietf:params:xml:ns:xmpp-streams'
export const NS_STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas'
export const NS_FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing'
export const NS_CLIENT = 'jabber:client'
export const NS_SERVER = 'jabber:server'
export const NS_TLS = 'urn:ietf:params:xml:ns:xmpp-tls'
export const NS_SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
export const NS_SASL2 = 'urn:xmpp:sasl:2'
export const NS_BIND2 = 'urn:xmpp:bind:0'
export const NS_FAST = 'urn:xmpp:fast:0'
export const NS_UPGRADE = 'urn:xmpp:sasl:upgrade:0'
export const NS_SCRAM_UPGRADE = 'urn:xmpp:scram-upgrade:0'
export const NS_LIMITS = 'urn:xmpp:stream-limits:0'
/** XEP-0440 §4. */
export const NS_CHANNEL_BINDING = 'urn:xmpp:sasl-cb:0'
export const NS_BIND = 'urn:ietf:params:xml:ns:xmpp-bind'
export const NS_SESSION = 'urn:ietf:params:xml:ns:xmpp-session'
/** XEP-0198 §12.1. */
export const NS_SM = 'urn:xmpp:sm:3'
/** XEP-0352. */
export const NS_CSI = 'urn:xmpp:csi:0'
/** XEP-0077 §14.1, §14.2. */
export const NS_REGISTER = 'jabber:iq:register'
export const NS_REGISTER_FEATURE = 'http://jabber.org/features/iq-register'
/** Application-specific conditions of XEP-0205 §4. */
export const NS_ERRORS = 'urn:xmpp:errors'

/**
 * Options of the transports: where clients connect, TLS, proxies, and every limit of one connection, with its reason.
 */
import { address } from '../config/address.js'
import { bytes, flag, integer, list, milliseconds, options, ports, rate, seconds, text } from '../config/option.js'
import type { Option, Values } from '../config/option.js'
import { Networks } from './networks.js'

function networks(name: string, initial: readonly string[], why: string): Option<readonly string[]> {
  const plain = list(name, initial, why, 'list of addresses and networks')
  return {
    ...plain,
    parse(t) {
      const found = plain.parse(t).filter((entry) => entry !== 'none')
      Networks.of(found)
      return found
    }
  }
}

/** Where clients come in. */
export const doorOptions = options({
  c2sPorts: ports('--c2s-ports', [5222], 'TCP ports for clients; TLS begins with STARTTLS.'),
  c2sTlsPorts: ports('--c2s-tls-ports', [5223], 'TCP ports for clients with TLS from the first byte (XEP-0368).'),
  httpPorts: ports('--http-ports', [5280], 'Ports with all public HTTP paths: WebSocket, BOSH, host-meta, health.'),
  boshPorts: ports('--bosh-ports', [], 'More ports like --http-ports, under the name that Tigase gives them.'),
  httpsPorts: ports('--https-ports', [5281], 'Ports with all public HTTP paths, inside TLS.'),
  ws2sPorts: ports('--ws2s-ports', [5290], 'Ports for WebSocket without TLS; the path does not matter there.'),
  ws2sTlsPorts: ports('--ws2s-tls-ports', [5291], 'Ports for WebSocket inside TLS; the path does not matter there.'),
  listen: list('--listen', ['::'], 'Addresses of this machine on which all client ports listen; :: means every address.'),
  adminListen: address('--admin-listen', '127.0.0.1:8080', 'Where metrics and state are served over plain HTTP; keep it private.'),
  httpOrigins: list('--http-origins', ['*'],
    'Web origins that may connect, such as https://chat.example; * means any, without credentials.'),
  httpPublicUrl: text('--http-public-url', '',
    'Base URL of the public paths as clients reach them, such as https://chat.example; empty: from the request\'s Host.'),
  trustedProxies: networks('--trusted-proxies', [],
    'Addresses or networks (10.0.0.0/8) of proxies whose Forwarded and X-Forwarded headers are believed, and, where any are given, '
    + 'the only ones that may connect to the ports of --proxy-protocol.'),
  proxyProtocol: ports('--proxy-protocol', [],
    'Of the ports above, those on which every connection begins with a PROXY protocol header (version 1 or 2).'),
  proxyProtocolTls: flag('--proxy-protocol-tls', true,
    'Whether a PROXY version 2 header may say that the proxy has ended TLS for this client.')
})

/** Certificates. */
export const tlsOptions = options({
  tlsCertificate: text('--tls-certificate', '',
    'PEM file with certificate and chain for all domains without a file of their own; empty: see --ssl-certs-location, else self-made.'),
  tlsKey: text('--tls-key', '', 'PEM file with the private key; empty: it stands in the file of --tls-certificate.'),
  sslCertsLocation: text('--ssl-certs-location', 'certs/',
    'Folder with PEM files, each key and chain together: <domain>.pem for a domain, default.pem for the others.'),
  tlsClientCa: text('--tls-client-ca', '',
    'PEM file with authorities whose client certificates may log in for passwords (SASL EXTERNAL); empty: none is asked for.')
})

const KIB = 1024
const MIB = 1024 * KIB
const MINUTE = 60_000

/** Limits of one TCP stream; the XML ones hold for every transport. */
export const streamLimitOptions = options({
  stanzaBytes: bytes('--c2s-stanza-bytes-max', 256 * KIB, 10_000, 16 * MIB, 'One stanza; at least 10000 must pass (RFC 6120 §13.12).'),
  stanzaElements: integer('--c2s-stanza-elements-max', 5_000, 100, 100_000,
    'Elements in one stanza: small ones cost more than their bytes.'),
  stanzaDepth: integer('--c2s-stanza-depth-max', 64, 16, 1_000, 'Nesting in one stanza: no honest payload comes near.'),
  beforeAuthStanzaBytes: bytes('--c2s-unauthenticated-stanza-bytes-max', 8 * KIB, 4 * KIB, MIB,
    'One element before authentication: SASL needs little.'),
  beforeAuthElements: integer('--c2s-unauthenticated-elements-max', 32, 8, 1_000, 'Elements in one stanza before authentication.'),
  beforeAuthBytes: bytes('--c2s-unauthenticated-bytes-max', 64 * KIB, 16 * KIB, 16 * MIB, 'All bytes of a peer before authentication.'),
  headerMs: milliseconds('--c2s-header-timeout-ms', 30_000, 1_000, 10 * MINUTE, 'From the connection to the stream header.'),
  handshakeMs: milliseconds('--tls-handshake-timeout-ms', 10_000, 1_000, 2 * MINUTE, 'From the first byte of a TLS handshake to its end.'),
  stanzaMs: milliseconds('--c2s-stanza-timeout-ms', 120_000, 5_000, 60 * MINUTE,
    'From the first to the last byte of one stanza: no dripping.'),
  pendingBytesMax: bytes('--c2s-pending-bytes-max', MIB, 64 * KIB, 64 * MIB, 'Unread bytes for one client before senders wait.'),
  pendingTotalMax: bytes('--c2s-pending-bytes-total-max', 256 * MIB, MIB, 64 * 1024 * MIB,
    'Unread bytes for all clients together; beyond it those that have taken nothing for longest are cut off.'),
  slowMs: milliseconds('--c2s-slow-reader-ms', 10_000, 1_000, 10 * MINUTE,
    'A client beyond that which takes nothing for so long is cut off.'),
  rateBytes: rate('--c2s-rate', 20 * KIB, KIB, 1024 * MIB,
    'Bytes a second that are read of one client after login, on average: a person writes far less. Beyond it reading rests.'),
  burstBytes: bytes('--c2s-burst', 256 * KIB, 16 * KIB, 1024 * MIB, 'Bytes that one client may send at once: a stanza of full size.'),
  rateStanzas: integer('--c2s-stanzas-per-second', 50, 0, 1_000_000,
    'Stanzas a second that are read of one client after login, on average; then reading rests. 0 for no limit.'),
  burstStanzas: integer('--c2s-stanzas-burst', 200, 1, 1_000_000, 'Stanzas that one client may send at once.'),
  ratePresences: integer('--c2s-presences-per-second', 5, 0, 1_000_000,
    'The same for presence, which goes to all contacts; 50 may come at once.'),
  rateIqs: integer('--c2s-iqs-per-second', 20, 0, 1_000_000, 'The same for IQs, which ask the database; 100 may come at once.')
})

/** Limits over all connections. */
export const addressLimitOptions = options({
  connectionsMax: integer('--connections-max', 50_000, 10, 1_000_000, 'Client connections of this node; more are refused.'),
  perAddress: integer('--connections-per-address', 512, 1, 1_000_000, 'Connections of one client address (IPv6: one /64).'),
  unauthenticatedPerAddress: integer('--unauthenticated-per-address', 64, 1, 1_000_000,
    'Connections of one address that have not logged in yet.'),
  unauthenticatedPercent: integer('--unauthenticated-percent', 10, 1, 100,
    'Share of --connections-max that may be without login; the oldest goes.'),
  newPerSecond: integer('--new-connections-per-second', 20, 1, 1_000_000, 'New connections a second of one address, on average.'),
  newBurst: integer('--new-connections-burst', 50, 1, 1_000_000, 'New connections of one address at once.'),
  loginFailures: integer('--login-failures-per-address', 20, 1, 1_000_000,
    'Failed logins of one address within --login-failures-seconds; then it may not connect for as long: people err less, guessers more.'),
  loginFailuresSeconds: seconds('--login-failures-seconds', 600, 1, 86_400,
    'How long failed logins of an address are counted, and how long it is refused after too many.'),
  registrationsPerAddress: integer('--registrations-per-address', 1, 1, 1_000_000,
    'Accounts that one address may make itself at a node in an hour, where that is allowed: a household needs few, a spammer many.'),
  registrationsPerDay: integer('--registrations-per-day', 50, 1, 1_000_000,
    'Accounts that all addresses together may make themselves at a node in a day: it stops those who have many addresses.'),
  exempt: networks('--limits-exempt', ['127.0.0.0/8', '::1/128'],
    'Addresses or networks whose connections, failed logins and registrations are not counted, and that have no rates; none for nobody.')
})

/** When the node is near its end and takes no new connections. */
export const strainOptions = options({
  delayMs: milliseconds('--overload-delay-ms', 500, 20, 60_000,
    'No new connections while the event loop is late by this (99th percentile of a second) for five seconds.'),
  heapPercent: integer('--overload-heap-percent', 90, 10, 100, 'No new connections while so much of the heap\'s limit is in use.'),
  descriptorsPercent: integer('--overload-descriptors-percent', 90, 10, 100,
    'No new connections while so many of the descriptors that the system allows (ulimit -n) are open.')
})

/** HTTP, WebSocket and BOSH. */
export const httpLimitOptions = options({
  headerBytes: bytes('--http-header-bytes-max', 16 * KIB, 4 * KIB, 256 * KIB, 'All headers of one request.'),
  headers: integer('--http-headers-max', 64, 16, 1_000, 'Headers of one request; a browser sends about 15.'),
  headersMs: milliseconds('--http-headers-timeout-ms', 10_000, 1_000, 5 * MINUTE,
    'From the first byte of a request to the end of its headers.'),
  bodyMs: milliseconds('--http-body-timeout-ms', 30_000, 1_000, 5 * MINUTE, 'From the headers of a request to the end of its body.'),
  keepAliveMs: milliseconds('--http-keep-alive-ms', 15_000, 1_000, 5 * MINUTE,
    'An HTTP connection without a request is closed after this.'),
  wsFragments: integer('--ws2s-fragments-max', 64, 1, 100_000, 'Fragments of one WebSocket message: no honest client cuts finer.'),
  wsPingSeconds: seconds('--ws2s-ping-seconds', 30, 5, 3_600, 'A WebSocket is pinged so often; two unanswered pings end it.'),
  wsPongsPerSecond: integer('--ws2s-pings-per-second', 10, 1, 1_000,
    'Pings of a client that are answered each second; many more close it.'),
  boshBodyBytes: bytes('--bosh-body-bytes-max', 300_000, 20_000, 16 * MIB, 'One BOSH request: one full stanza and what is around it.'),
  boshWaitSeconds: seconds('--bosh-wait-max', 60, 1, 300, 'Longest time that a request is held open (wait).'),
  boshHold: integer('--bosh-hold-max', 1, 0, 10, 'Requests held open for one session (hold).'),
  boshPollingSeconds: seconds('--bosh-polling', 5, 1, 60, 'Shortest time between empty requests of a polling session.'),
  boshInactivitySeconds: seconds('--bosh-inactivity', 60, 5, 600, 'A session without any request open ends after this.'),
  boshPauseSeconds: seconds('--bosh-pause-max', 120, 5, 600, 'Longest pause that a client may ask for.'),
  boshSessions: integer('--bosh-sessions-max', 20_000, 1, 1_000_000, 'BOSH sessions of this node; more are refused.')
})

export type DoorSettings = Values<typeof doorOptions>
export type TlsSettings = Values<typeof tlsOptions>
export type StreamLimitSettings = Values<typeof streamLimitOptions>
export type AddressLimitSettings = Values<typeof addressLimitOptions>
export type HttpLimitSettings = Values<typeof httpLimitOptions>

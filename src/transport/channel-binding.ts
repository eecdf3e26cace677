/**
 * What a TLS connection says for its peer: channel bindings (RFC 5056, RFC 5929, RFC 9266) and the addresses of a client's
 * certificate. Owns nothing; asks the socket when somebody logs in.
 */
import { createHash } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { addressesOf } from './client-certificate.js'
import { valuesOf, type DerValue } from './der.js'
import { shownCertificate } from './tls.js'
import { BINDING_TYPES, type BindingType, type TlsFacts } from './transport.js'

/** RFC 9266 §2. */
const LABEL = 'EXPORTER-Channel-Binding'
const EXPORTED_BYTES = 32

export class SocketFacts implements TlsFacts {
  readonly #socket: TLSSocket
  #bindings: readonly BindingType[] | undefined
  #addresses: readonly string[] | undefined

  constructor(socket: TLSSocket) {
    this.#socket = socket
  }

  get bindings(): readonly BindingType[] {
    this.#bindings ??= BINDING_TYPES.filter((type) => this.channelBinding(type) !== undefined)
    return this.#bindings
  }

  channelBinding(type: BindingType): Buffer | undefined {
    switch (type) {
      case 'tls-exporter': return exporter(this.#socket)
      case 'tls-server-end-point': return endPoint(this.#socket)
      default: return type satisfies never
    }
  }

  get addresses(): readonly string[] {
    this.#addresses ??= addressesOf(this.#socket)
    return this.#addresses
  }
}

// RFC 9266 §4.2: before TLS 1.3 only with the extended master secret, of which Node does not tell. An empty context and none
// are not the same there, and peers use an empty one.
function exporter(socket: TLSSocket): Buffer | undefined {
  if (socket.destroyed || socket.getProtocol() !== 'TLSv1.3') return undefined
  return socket.exportKeyingMaterial(EXPORTED_BYTES, LABEL, Buffer.alloc(0))
}

// RFC 5929 §4.1: of the certificate that this client was shown.
function endPoint(socket: TLSSocket): Buffer | undefined {
  const shown = socket.destroyed ? undefined : shownCertificate(socket)
  return shown === undefined ? undefined : endPointOf(shown)
}

/** `undefined` where the type is not defined. @param certificate DER */
export function endPointOf(certificate: Buffer): Buffer | undefined {
  const hash = signatureHash(certificate)
  return hash === undefined ? undefined : createHash(hash).update(certificate).digest()
}

/** By the object identifier of the signature (RFC 3279, RFC 4055, RFC 5758), in hexadecimal; MD5 and SHA-1 count as SHA-256. */
const HASHES: Readonly<Record<string, string>> = {
  '2a864886f70d010104': 'sha256', '2a864886f70d010105': 'sha256', '2a864886f70d01010b': 'sha256',
  '2a864886f70d01010c': 'sha384', '2a864886f70d01010d': 'sha512', '2a864886f70d01010e': 'sha224',
  '2a8648ce3d0401': 'sha256', '2a8648ce3d040301': 'sha224', '2a8648ce3d040302': 'sha256',
  '2a8648ce3d040303': 'sha384', '2a8648ce3d040304': 'sha512'
}
/** RSASSA-PSS names its hash in its parameters (RFC 4055 §3.1); these are the object identifiers there. */
const PSS = '2a864886f70d01010a'
const PSS_HASHES: Readonly<Record<string, string>> = {
  '608648016503040201': 'sha256', '608648016503040202': 'sha384', '608648016503040203': 'sha512', '608648016503040204': 'sha224'
}

/** EdDSA and what is not known here has no hash of its own. */
function signatureHash(certificate: Buffer): string | undefined {
  const [, algorithm] = valuesOf(valuesOf(certificate)[0]?.content)  // RFC 5280 §4.1: tbsCertificate, signatureAlgorithm, signature
  const [name, parameters] = valuesOf(algorithm?.content)
  const oid = name?.content.toString('hex') ?? ''
  return oid === PSS ? pssHash(parameters) : HASHES[oid]
}

function pssHash(parameters: DerValue | undefined): string {
  const [hashAlgorithm] = valuesOf(valuesOf(parameters?.content)[0]?.content)
  const [name] = valuesOf(hashAlgorithm?.content)
  return PSS_HASHES[name?.content.toString('hex') ?? ''] ?? 'sha256' // absent: SHA-1, which counts as SHA-256
}

/** Small readers of text from peers: SASL and SCRAM messages, base 64, stream headers, what proxies say of clients. */
import { challenge, finish, parseClientFirst, ScramFault, type Challenge, type ScramKeys } from '../../src/rules/scram.js'
import { SaslFailure } from '../../src/stream/authenticator.js'
import { strictBase64 } from '../../src/stream/base64.js'
import { parsePlain } from '../../src/stream/features/plain.js'
import { judgeHeader } from '../../src/stream/header.js'
import type { Domains } from '../../src/stream/profile.js'
import { cookieFor } from '../../src/transport/cookie.js'
import { clientOf } from '../../src/transport/forwarded.js'
import { Networks } from '../../src/transport/networks.js'
import { StreamParser } from '../../src/xml/stream-parser.js'
import { Heard, LIMITS } from './xml-target.js'
import { FRAMES, XML_MATERIAL } from './xml-material.js'
import { mutant, tokensOf, type Material } from './mutate.js'
import { same, type Target } from './run.js'

const KEYS: ScramKeys = { hash: 'SHA-1', salt: Buffer.from('QSXCR+Q6sek8bf92', 'base64'), iterations: 4096,
  storedKey: Buffer.alloc(20, 1), serverKey: Buffer.alloc(20, 2) }
const FIRST = Buffer.from('n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL')
const CHANNEL = { data: Buffer.alloc(0), offerHash: '' }
const SENT: Challenge = challenge(parseClientFirst(FIRST), KEYS, '3rfcNHYJY1ZVvWVs7j', CHANNEL)
const SASL: Material = {
  pool: [FIRST, ...['n,a=zeus,n=user,r=abc', 'y,,n=a=2Cb=3D,r=x', 'p=tls-unique,,n=user,r=x', 'n,,n=user,r=x,e=y', '\0alice\0secret',
    'authz\0alice\0päss',
    `c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=${Buffer.alloc(20).toString('base64')}`, 'YWxpY2U=', 'AA==',
      'AAA='].map((text) => Buffer.from(text))],
  tokens: tokensOf(',', '=', 'n=', 'r=', 'c=', 'p=', 'a=', 'm=', 'biws', '=2C', '=3D', '=2c', '=', '==', 'A', '/', '+', '-', '_', ' ',
    '\n', '\0', 'é', '\u00ad', '\ufeff')
}

/** What it yields, or `undefined` when it refuses in the one way that it may. */
function unless<T>(refusal: new (...args: never[]) => Error, read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof refusal) return undefined
    throw error
  }
}

export const LOGINS: Target = {
  name: 'SASL messages', variable: 'SASL_FUZZ_CASES', short: 5_000, long: 300_000,
  make: (random) => mutant(random.pick(SASL.pool), SASL, random),
  check(bytes) {
    const first = unless(ScramFault, () => parseClientFirst(bytes))
    if (first !== undefined) {
      same(first.gs2Header + first.bare, bytes.toString(), 'the header and the rest, and the message')
      if (first.nonce.includes(',')) throw new Error('a nonce with a comma')
      unless(ScramFault, () => finish(challenge(first, KEYS, 'x', CHANNEL), bytes))
    }
    if (unless(ScramFault, () => finish(SENT, bytes)) !== undefined) throw new Error('a proof without a key')
    const plain = unless(SaslFailure, () => parsePlain(bytes))
    if (plain !== undefined) same(`${plain.authzid ?? ''}\0${plain.username}\0${plain.password}`, bytes.toString(),
      'the parts and the message')
    const data = strictBase64(bytes.toString('latin1'))
    if (data !== undefined) same(data.toString('base64'), bytes.toString('latin1'), 'base 64 and itself')
    return first !== undefined || plain !== undefined || data !== undefined
  }
}

const HEADERS: Material = {
  pool: [FRAMES[1].header,
    ...["<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='im.test' from='a@im.test' version='1.0'>",
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='IM.TEST.' from='a@im.test/x' version='00001.00'>"
  ].map((text) => Buffer.from(text))],
  tokens: [...XML_MATERIAL.tokens, ...tokensOf(" to='im.test'", " to=''", " from='x@y'", " version='1.'", " version='2.0'", " id='x'",
    " xml:lang='x-y'", 'im.test', '@', '/')]
}

export const HEADER: Target = {
  name: 'stream headers', variable: 'HEADER_FUZZ_CASES', short: 3_000, long: 200_000,
  make: (random) => mutant(random.pick(HEADERS.pool), HEADERS, random),
  check(bytes) {
    const heard = new Heard()
    const parser = new StreamParser(LIMITS, heard)
    parser.feed(Buffer.from(bytes))
    if (heard.head === undefined) return false
    const domains: Domains = { first: 'im.test', serves: (domain) => domain === 'im.test', tlsRequired: () => false }
    let good = false
    for (const kind of ['tcp', 'websocket', 'bosh'] as const) {
      for (const secure of [false, true]) {
        const { domain, refusal, lang } = judgeHeader(heard.head, { kind, secure, domains, account: undefined })
        if (refusal === undefined) good = true
        if (refusal === undefined && domain !== 'im.test') throw new Error(`a stream for ${domain}`)
        if (lang !== undefined && !/^[A-Za-z0-9-]{1,71}$/.test(lang)) throw new Error('a language that is none')
      }
    }
    return good
  }
}

const PROXIES = Networks.of(['10.0.0.0/8', '::1'])
const HOPS: Material = {
  pool: ['for=192.0.2.43, for="[2001:db8:cafe::17]:4711";proto=https', '192.0.2.1, 10.0.0.1', 'for=unknown;by=_x;proto=http',
    '10.1.1.1', '::1', '[::ffff:10.0.0.1]:1',
    'STARLING_NODE=a; x=y'].map((text) => Buffer.from(text)),
  tokens: tokensOf(',', ';', '=', '"', '\\', '\\"', 'for=', 'proto=', '[', ']', ':', '::', '10.0.0.1', '1.2.3.4', 'unknown', ' ', '_',
    '%', 'https')
}

export const HOP: Target = {
  name: 'what proxies say', variable: 'PROXY_FUZZ_CASES', short: 3_000, long: 200_000,
  make: (random) => mutant(random.pick(HOPS.pool), HOPS, random),
  check(bytes) {
    const text = bytes.toString('latin1')
    const socket = { address: '10.0.0.9', port: 1, secure: false }
    for (const headers of [{ forwarded: text }, { 'x-forwarded-for': text, 'x-forwarded-proto': text }, { cookie: text }]) {
      const { address } = clientOf(socket, headers, PROXIES)
      if (!/^[0-9a-fA-F:.]+$/.test(address)) throw new Error(`a client at ${address}`)
      same(clientOf({ ...socket, address: '192.0.2.7' }, headers, PROXIES).address, '192.0.2.7',
        'an address whose socket is nobody\'s proxy')
      cookieFor('n', headers, true)
    }
    return true
  }
}

/** Elements of logins and of stream management, from their bytes to what they ask for; and the names in a certificate. */
import { SaslFailure } from '../../src/stream/authenticator.js'
import { readWish } from '../../src/stream/features/authenticate.js'
import { COUNTS, enableWish, failedText, resumedText, resumeWish } from '../../src/stream/features/sm.js'
import { xmppAddresses } from '../../src/transport/client-certificate.js'
import type { RawElement } from '../../src/xml/raw.js'
import { secondOpinion } from '../xml/second-opinion.js'
import { mutant, tokensOf, type Material } from './mutate.js'
import { same, type Target } from './run.js'
import { XML_MATERIAL } from './xml-material.js'
import { Heard } from './xml-target.js'

const HEADER = Buffer.from("<s:s xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client'>")
const ELEMENTS: Material = {
  pool: [
    "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-1-PLUS'><initial-response>cD10bHM=</initial-response>"
      + "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'><software>x</software></user-agent></authenticate>",
    "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-NONE'><fast xmlns='urn:xmpp:fast:0' count='2' invalidate='true'/>"
      + "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/></authenticate>",
    "<authenticate xmlns='urn:xmpp:sasl:2'><bind xmlns='urn:xmpp:bind:0'><tag>A</tag><enable xmlns='urn:xmpp:sm:3' resume='1'/></bind>"
      + "<resume xmlns='urn:xmpp:sm:3' previd='x' h='5'/></authenticate>",
    "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade></authenticate>",
    "<enable xmlns='urn:xmpp:sm:3' resume='true' max='600'/>", "<resume xmlns='urn:xmpp:sm:3' previd='abc' h='4294967295'/>"
  ].map((text) => Buffer.from(text)),
  tokens: [...XML_MATERIAL.tokens, ...tokensOf(" h='-1'", " h='4294967296'", " max='0'", " resume='1'", " count='0'", " id=''",
    'AA==', '=', '-')]
}

export const WISHES: Target = {
  name: 'wishes of clients', variable: 'SASL_FUZZ_CASES', short: 3_000, long: 300_000,
  make: (random) => mutant(random.pick(ELEMENTS.pool), ELEMENTS, random),
  check(bytes) {
    const heard = new Heard()
    heard.parser.feed(Buffer.from(HEADER))
    heard.parser.feed(Buffer.from(bytes))
    return heard.elements.filter(understood).length > 0
  }
}

function understood(element: RawElement): boolean {
  const { max } = enableWish(element.attrs)
  const resume = resumeWish(element.attrs)
  for (const count of [max, resume?.h]) {
    if (count !== undefined && !(Number.isInteger(count) && count >= 0 && count < COUNTS)) throw new Error(`a count of ${count}`)
  }
  if (resume !== undefined) {
    const text = `${resumedText(resume)}${failedText({ condition: 'item-not-found', h: resume.h })}`
    same(secondOpinion(Buffer.from(`<s>${text}</s>`)).elements.length, 2, 'elements in an answer')
  }
  try {
    const { fast, agent } = readWish(element)
    if (fast?.count !== undefined && !(fast.count > 0 && fast.count < 2 ** 31)) throw new Error(`a count of ${fast.count}`)
    if (agent !== undefined && agent.length !== 36) throw new Error('an id that is no UUID')
    return true
  } catch (error) {
    if (error instanceof SaslFailure) return false
    throw error
  }
}

const value = (tag: number, ...content: readonly Buffer[]): Buffer => {
  const inside = Buffer.concat(content)
  const length = inside.length < 128 ? Buffer.of(inside.length) : Buffer.of(0x82, inside.length >> 8, inside.length & 0xff)
  return Buffer.concat([Buffer.of(tag), length, inside])
}
const xmppName = (text: string): Buffer =>
  value(0xa0, value(0x06, Buffer.from('2b06010505070805', 'hex')), value(0xa0, value(0x0c, Buffer.from(text))))
const certificate = (...names: readonly Buffer[]): Buffer => value(0x30, value(0x30, value(0x02, Buffer.of(1)), value(0xa3, value(0x30,
  value(0x30, value(0x06, Buffer.from('551d0f', 'hex')), value(0x04, Buffer.of(0))),
  value(0x30, value(0x06, Buffer.from('551d11', 'hex')), value(0x01, Buffer.of(255)), value(0x04, value(0x30, ...names)))))), value(0x03))
const CERTIFICATES: Material = {
  pool: [
    certificate(xmppName('alice@im.test')), certificate(value(0x82, Buffer.from('im.test')), xmppName('ü@im.test'), xmppName('b@im.test')),
    certificate(...Array.from({ length: 20 }, (_, n) => xmppName(`a${n}@x`)))
  ],
  tokens: [...tokensOf('@', '\0', 'é'), ...['30', '80', '81', '84ffffffff', '8200ff', '0c', 'a0', '0500', '3080', '0000',
    '88ffffffffffffffff', 'bf8101']
    .map((digits) => Buffer.from(digits, 'hex'))]
}

export const CERTIFICATE: Target = {
  name: 'names in certificates', variable: 'CERTIFICATE_FUZZ_CASES', short: 3_000, long: 300_000,
  make: (random) => mutant(random.pick(CERTIFICATES.pool), CERTIFICATES, random),
  check(bytes) {
    const found = xmppAddresses(bytes)
    if (found.length > 16) throw new Error('more addresses than anybody needs')
    for (const address of found) if (!bytes.includes(Buffer.from(address))) throw new Error('an address that does not stand there')
    return found.length > 0
  }
}

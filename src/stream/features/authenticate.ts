/**
 * What a client asks for in `<authenticate/>` (XEP-0388 §2.3), understood once: the mechanism, who the client is, and what is
 * to happen when it has logged in. Throws `SaslFailure` for broken syntax; wishes that nobody knows are passed over.
 */
import { attributeOf, elementsOf, textOf, type Element } from '../../xml/element.js'
import { treesOf } from '../../xml/inside.js'
import type { RawElement } from '../../xml/raw.js'
import { SaslFailure } from '../authenticator.js'
import { strictBase64 } from '../base64.js'
import { NS_BIND2, NS_FAST, NS_SASL2, NS_SM, NS_UPGRADE } from '../namespaces.js'

/** Of `<fast/>`: a token is shown (XEP-0484 §3.4, §3.6). */
export interface FastWish {
  readonly count: number | undefined
  readonly invalidate: boolean
}

export interface Wish {
  readonly mechanism: string
  /** `undefined`: there is none, which is not the same as an empty one. */
  readonly initial: Buffer | undefined
  /** The stable id of this installation of a client, in lower case. Not for other people's eyes. */
  readonly agent: string | undefined
  readonly fast: FastWish | undefined
  /** FAST mechanism for which a token is wanted (XEP-0484 §3.2). */
  readonly requestToken: string | undefined
  /** `<resume/>` (XEP-0198 §9.2). */
  readonly resume: Element | undefined
  readonly bind: Element | undefined
  /** Names of upgrade tasks that the client can do (XEP-0480 §2.2). */
  readonly upgrades: readonly string[]
}

/** §2.3: a UUID of version 4, and nothing else. */
const UUID4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
/** XEP-0484's schema: `xs:int`, and §3.4 wants it positive. */
const COUNT = /^[1-9]\d{0,9}$/
const COUNT_MAX = 2 ** 31 - 1

export function readWish(element: RawElement): Wish {
  const children = treesOf(element.inside, element.ns)
  const child = (name: string, ns: string): Element | undefined => children.find((one) => one.is(name, ns))
  const attribute = (of: Element | undefined, name: string): string | undefined => of && attributeOf(of, name)
  const initial = child('initial-response', NS_SASL2)
  const agent = attribute(child('user-agent', NS_SASL2), 'id')?.toLowerCase()
  const fast = child('fast', NS_FAST)
  return {
    mechanism: element.attrs['mechanism'] ?? '',
    initial: initial && dataIn(initial),
    agent: agent !== undefined && UUID4.test(agent) ? agent : undefined,
    fast: fast && { count: countOf(attribute(fast, 'count')), invalidate: isTrue(attribute(fast, 'invalidate')) },
    requestToken: attribute(child('request-token', NS_FAST), 'mechanism'),
    resume: child('resume', NS_SM),
    bind: child('bind', NS_BIND2),
    upgrades: children.filter((one) => one.is('upgrade', NS_UPGRADE)).map(textOf)
  }
}

/** Data of SASL (§2.2): the absence of text is data of no length. */
export function dataIn(element: Element): Buffer {
  if (elementsOf(element).length > 0) throw new SaslFailure('malformed-request', 'elements inside')
  return decoded(textOf(element))
}

/** The same, of a first-level element. */
export function dataOf(element: RawElement): Buffer {
  if (element.children.length > 0) throw new SaslFailure('malformed-request', 'elements inside')
  return decoded(element.inside.toString('latin1'))
}

function decoded(text: string): Buffer {
  const data = text === '' ? Buffer.alloc(0) : strictBase64(text)
  if (data === undefined) throw new SaslFailure('incorrect-encoding', 'not strict base 64')
  return data
}

function countOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const count = COUNT.test(text) ? Number(text) : Infinity
  if (count > COUNT_MAX) throw new SaslFailure('malformed-request', 'a count that is no positive integer')
  return count
}

const isTrue = (text: string | undefined): boolean => text === 'true' || text === '1'

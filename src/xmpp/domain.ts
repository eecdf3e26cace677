/**
 * Domainparts (RFC 7622 §3.2): names as U-labels (IDNA2008), IPv4 and bracketed IPv6 literals.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { domainToASCII, domainToUnicode } from 'node:url'
import { checkClass, obeysBidiRule } from './precis.js'

/** RFC 1034 §3.1: 255 octets on the wire are 253 characters of text. */
const NAME_MAX = 253
const LABEL_MAX = 63

/** The canonical form, or `undefined` for what is no domain. Without a limit on input: the caller has one. */
export function canonicalDomain(text: string): string | undefined {
  if (text.startsWith('[')) return canonicalIPv6(text)
  const bare = text.endsWith('.') ? text.slice(0, -1) : text // RFC 7622 §3.2: one trailing dot
  const mapped = isAscii(bare) ? bare : bare.normalize('NFKC')
  const lower = mapped.toLowerCase()
  if (isAscii(lower)) return isAsciiName(lower) ? unicodeOf(lower) : undefined
  if (/[^a-z0-9.\-\u0080-\u{10FFFF}]/u.test(lower)) return undefined
  const encoded = domainToASCII(mapped)
  return isAsciiName(encoded) ? unicodeOf(encoded) : undefined
}

const isAscii = (text: string): boolean => !/[\u0080-\uFFFF]/.test(text)

/** A name of lower-case letters, digits and hyphens (RFC 5890 §2.3.1), or an IPv4 address. */
export function isAsciiName(name: string): boolean {
  if (name.length === 0 || name.length > NAME_MAX) return false
  const labels = name.split('.')
  if (!labels.every(isLabel)) return false
  // A name whose last label is a number would be taken for an address somewhere.
  return !/^\d+$/.test(labels.at(-1) ?? '') || isIPv4(name)
}

function isLabel(label: string): boolean {
  if (label.length > LABEL_MAX || !/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(label)) return false
  return label.slice(2, 4) !== '--' || label.startsWith('xn--') // other tagged labels are reserved (RFC 5890 §2.3.2.1)
}

/** A-labels become U-labels (RFC 7622 §3.2.1); those that do not decode to what they encode are refused. */
function unicodeOf(name: string): string | undefined {
  if (!name.includes('xn--')) return name
  const unicode = domainToUnicode(name)
  if (unicode === '' || domainToASCII(unicode) !== name) return undefined
  return unicode.split('.').every(isUnicodeLabel) ? unicode : undefined
}

/** What UTS 46 lets pass beyond IDNA2008 (symbols, emoji) is refused here. */
function isUnicodeLabel(label: string): boolean {
  if (label.startsWith('xn--')) return false
  try {
    checkClass(label, 'identifier')
    return obeysBidiRule(label)
  } catch {
    return false
  }
}

function canonicalIPv6(text: string): string | undefined {
  const address = text.slice(1, -1)
  if (!text.endsWith(']') || !isIPv6(address) || address.includes('%')) return undefined
  return new URL(`ws://${text.toLowerCase()}`).hostname
}

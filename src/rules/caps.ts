/** The verification string of entity capabilities (XEP-0115 §5.1). Pure. */
import { createHash } from 'node:crypto'

export interface CapsIdentity {
  readonly category: string
  readonly type: string
  readonly lang?: string
  readonly name: string
}

/** Order of bytes, "i;octet" (RFC 4790 §9.3). */
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** The SHA-1 of what an entity says of itself, in Base64; forms (XEP-0128) are not part of it, because we send none. */
export function verificationString(identities: readonly CapsIdentity[], features: readonly string[]): string {
  const who = identities.map(({ category, type, lang = '', name }) => `${category}/${type}/${lang}/${name}`)
  const text = [...who.sort(byBytes), ...[...features].sort(byBytes)].map((part) => `${part}<`).join('')
  return createHash('sha1').update(text, 'utf8').digest('base64')
}

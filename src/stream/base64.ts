/**
 * Base 64 as RFC 6120 §6.3.5 and §13.9.1 want it: the alphabet of RFC 4648 §4, no white space, full padding, padding
 * bits zero. Node's own decoder takes anything.
 */
const ALPHABET = /^[A-Za-z0-9+/]+={0,2}$/

/** `undefined` when it is not exactly right. */
export function strictBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0 || !ALPHABET.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}

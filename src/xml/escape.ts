/**
 * Escaping of text and attribute values for output (XML 1.0 §2.4, §3.3.3). What no XML document may contain becomes
 * U+FFFD; DEL and the C1 controls, which some parsers read differently, are written by number.
 */
const ATTRIBUTE = /[^ !#-%(-;=?-~\u00a0-\ufffd]/g
const TEXT = /[^\t\n -%'-;=?-~\u00a0-\ufffd]/g
const REPLACEMENT: Readonly<Record<string, string>> = {
  '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;', '\t': '&#9;', '\n': '&#10;', '\r': '&#13;'
}

function replacementOf(character: string): string {
  const known = REPLACEMENT[character]
  if (known !== undefined) return known
  const code = character.charCodeAt(0)
  return code >= 0x7f && code <= 0x9f ? `&#${code};` : '\ufffd'
}

/** For a value in single or double quotes. */
export function escapeAttribute(value: string): string {
  return value.search(ATTRIBUTE) < 0 ? value : value.replace(ATTRIBUTE, replacementOf)
}

export function escapeText(value: string): string {
  return value.search(TEXT) < 0 ? value : value.replace(TEXT, replacementOf)
}

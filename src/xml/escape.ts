/** Escaping of text and attribute values for output (XML 1.0 §2.4, §3.3.3). */
const ATTRIBUTE = /[&<>"'\t\n\r]/g
const TEXT = /[&<>\r]/g
const REPLACEMENT: Readonly<Record<string, string>> = {
  '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;', '\t': '&#9;', '\n': '&#10;', '\r': '&#13;'
}

/** For a value in single or double quotes. */
export function escapeAttribute(value: string): string {
  return value.search(ATTRIBUTE) < 0 ? value : value.replace(ATTRIBUTE, (c) => REPLACEMENT[c] ?? c)
}

export function escapeText(value: string): string {
  return value.search(TEXT) < 0 ? value : value.replace(TEXT, (c) => REPLACEMENT[c] ?? c)
}

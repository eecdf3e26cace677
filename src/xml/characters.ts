/**
 * What each byte means to the scanner: tables over 256 bytes, made once, read only. XML 1.0 (fifth edition) §2.2,
 * §2.3 and Namespaces in XML 1.0 §4.
 */
export const TAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SPACE = 0x20
export const BANG = 0x21
export const QUOTE = 0x22
export const HASH = 0x23
export const AMP = 0x26
export const APOS = 0x27
export const SLASH = 0x2f
export const COLON = 0x3a
export const SEMICOLON = 0x3b
export const LT = 0x3c
export const EQUALS = 0x3d
export const GT = 0x3e
export const QUESTION = 0x3f
export const OPEN_BRACKET = 0x5b
export const CLOSE_BRACKET = 0x5d
export const DEL = 0x7f
/** First byte of U+0080..U+00BF, among them the C1 controls. */
export const C2 = 0xc2

/** Kinds in `NAME`. A mask of 3 says: goes on in an ASCII name. */
export const NAME_START = 1
export const NAME_REST = 2
export const NAME_HIGH = 4

function table(kind: (byte: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => kind(byte))
}

function among(text: string): (byte: number) => boolean {
  return (byte) => byte < 0x80 && text.includes(String.fromCharCode(byte))
}

const isControl = (byte: number): boolean => byte < SPACE || byte === DEL
const letters = among('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_')
const restOfName = among('0123456789-.')
const oddInText = among('<&]')
const oddInValue = among('<>&"\'')

/** 0: an ordinary character of text that may be copied. Everything else is looked at one by one. */
export const TEXT = table((byte) => {
  if (byte === TAB || byte === LF) return 0
  return byte >= 0x80 || isControl(byte) || oddInText(byte) ? 1 : 0
})

/** 0: an ordinary character of an attribute value. */
export const VALUE = table((byte) => (byte >= 0x80 || isControl(byte) || oddInValue(byte) ? 1 : 0))

/** 0: an ordinary character of a CDATA section. */
export const CDATA = table((byte) => {
  if (byte === TAB || byte === LF || byte === CR) return 0
  return byte >= 0x80 || isControl(byte) || byte === CLOSE_BRACKET ? 1 : 0
})

/** 1: white space of markup (XML 1.0 §2.3, production S). */
export const BLANK = table((byte) => (byte === SPACE || byte === TAB || byte === LF || byte === CR ? 1 : 0))

/** Of names without colon (NCName); 0: not in a name. */
export const NAME = table((byte) => {
  if (byte >= 0x80) return NAME_HIGH
  if (letters(byte)) return NAME_START
  return restOfName(byte) ? NAME_REST : 0
})

/** Ranges of XML 1.0 §2.3, productions 4 and 4a, beyond ASCII: pairs of first and last. */
const START_RANGES: readonly (readonly [number, number])[] = [
  [0xc0, 0xd6], [0xd8, 0xf6], [0xf8, 0x2ff], [0x370, 0x37d], [0x37f, 0x1fff], [0x200c, 0x200d], [0x2070, 0x218f],
  [0x2c00, 0x2fef], [0x3001, 0xd7ff], [0xf900, 0xfdcf], [0xfdf0, 0xfffd], [0x10000, 0xeffff]
]
const REST_RANGES: readonly (readonly [number, number])[] = [[0xb7, 0xb7], [0x300, 0x36f], [0x203f, 0x2040]]

/** May a character beyond ASCII begin a name? */
export function beginsName(code: number): boolean {
  return START_RANGES.some(([first, last]) => code >= first && code <= last)
}

/** May a character beyond ASCII stand inside a name? */
export function continuesName(code: number): boolean {
  return beginsName(code) || REST_RANGES.some(([first, last]) => code >= first && code <= last)
}

/** XML 1.0 §2.2, production 2. */
export function isXmlCharacter(code: number): boolean {
  if (code < SPACE) return code === TAB || code === LF || code === CR
  if (code > 0xffff) return code <= 0x10ffff
  return code <= 0xd7ff || (code >= 0xe000 && code <= 0xfffd)
}

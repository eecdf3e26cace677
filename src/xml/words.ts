/**
 * Names, namespaces and values that nearly every stanza carries, found by their bytes: a frequent word costs no new
 * string. Made once, read only; a word that is not here is merely slower.
 */
const COMMON = [
  'message', 'presence', 'iq', 'body', 'subject', 'thread', 'show', 'status', 'priority', 'error', 'query', 'item', 'x', 'c',
  'to', 'from', 'id', 'type', 'xml:lang', 'node', 'ver', 'hash', 'jid', 'name', 'lang', 'stamp', 'by',
  'chat', 'groupchat', 'normal', 'headline', 'get', 'set', 'result', 'unavailable', 'subscribe', 'subscribed', 'unsubscribe',
  'unsubscribed', 'probe', 'en', 'de', 'en-US', '1', 'away', 'xa', 'dnd', '0', 'true', 'false',
  'active', 'composing', 'paused', 'inactive', 'gone', 'request', 'received', 'markable', 'displayed', 'acknowledged',
  'origin-id', 'stanza-id', 'ping', 'bind', 'resource', 'session', 'store', 'no-store', 'no-copy', 'no-permanent-store',
  'replace', 'encryption', 'encrypted', 'reactions', 'reply', 'fallback', 'pubsub', 'items', 'event', 'vCard', 'delay', 'r', 'a',
  'jabber:client', 'jabber:server', 'jabber:iq:roster', 'jabber:iq:version', 'jabber:iq:private', 'jabber:iq:last',
  'jabber:x:oob', 'jabber:x:data', 'http://jabber.org/protocol/chatstates', 'http://jabber.org/protocol/caps',
  'http://jabber.org/protocol/disco#info', 'http://jabber.org/protocol/disco#items', 'http://jabber.org/protocol/muc',
  'http://jabber.org/protocol/muc#user', 'http://jabber.org/protocol/pubsub', 'http://jabber.org/protocol/pubsub#event',
  'urn:xmpp:receipts', 'urn:xmpp:chat-markers:0', 'urn:xmpp:sid:0', 'urn:xmpp:hints', 'urn:xmpp:ping', 'urn:xmpp:delay',
  'urn:xmpp:message-correct:0', 'urn:xmpp:eme:0', 'urn:xmpp:reactions:0', 'urn:xmpp:reply:0', 'urn:xmpp:fallback:0',
  'urn:xmpp:carbons:2', 'urn:xmpp:sm:3', 'urn:xmpp:mam:2', 'eu.siacs.conversations.axolotl', 'vcard-temp',
  'vcard-temp:x:update', 'urn:ietf:params:xml:ns:xmpp-bind', 'urn:ietf:params:xml:ns:xmpp-session',
  'urn:ietf:params:xml:ns:xmpp-stanzas', 'urn:ietf:params:xml:ns:xmpp-sasl', 'urn:ietf:params:xml:ns:xmpp-tls',
  'stream', 'http://etherx.jabber.org/streams'
] as const

interface Word {
  readonly text: string
  readonly bytes: Uint8Array
}

/** Longer texts are not looked for. */
const LENGTH_MAX = COMMON.reduce((longest, word) => Math.max(longest, word.length), 0)
const SLOTS = 1024

/** Length, first, last and two inner bytes tell the words apart well enough; the rest is compared. */
function slotOf(d: Uint8Array, from: number, length: number): number {
  const first = d[from] as number
  const last = d[from + length - 1] as number
  const middle = d[from + (length >> 1)] as number
  const late = d[from + length - (length >> 2) - 1] as number
  return (length * 37 + first * 5 + middle * 131 + late * 17 + last * 61) & (SLOTS - 1)
}

function build(): readonly (readonly Word[] | undefined)[] {
  const slots: (Word[] | undefined)[] = Array.from({ length: SLOTS }, () => undefined)
  for (const text of COMMON) {
    const bytes = Buffer.from(text, 'latin1')
    const slot = slotOf(bytes, 0, bytes.length)
    slots[slot] = [...slots[slot] ?? [], { text, bytes }]
  }
  return slots
}

const WORDS = build()

function equals(word: Word, d: Uint8Array, from: number, length: number): boolean {
  const { bytes } = word
  if (bytes.length !== length) return false
  for (let k = 0; k < length; k++) if (bytes[k] !== d[from + k]) return false
  return true
}

/** The word that these bytes are, if it is a common one. */
function wordAt(d: Buffer, from: number, to: number): string | undefined {
  const length = to - from
  if (length === 0) return ''
  if (length > LENGTH_MAX) return undefined
  const words = WORDS[slotOf(d, from, length)]
  if (words !== undefined) for (const word of words) if (equals(word, d, from, length)) return word.text
  return undefined
}

/** The text of ASCII bytes. */
export function asciiText(d: Buffer, from: number, to: number): string {
  return wordAt(d, from, to) ?? d.toString('latin1', from, to)
}

/** The text of a name, or of a part of one, which may have any characters. */
export function nameText(d: Buffer, from: number, to: number): string {
  const word = wordAt(d, from, to)
  if (word !== undefined) return word
  for (let i = from; i < to; i++) if ((d[i] as number) >= 0x80) return d.toString('utf8', from, to)
  return d.toString('latin1', from, to)
}

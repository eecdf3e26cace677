/** Stanzas that were stored as text by `Stanza.toString()`, and back. */
import { treesOf } from '../xml/inside.js'
import { XmlFault } from '../xml/raw.js'
import { JidError, parseJid, type Jid } from './jid.js'
import { NS_CLIENT, Stanza, type StanzaKind } from './stanza.js'

/** `undefined` for text that is no stanza of ours any more. */
export function readStanza(text: string): Stanza | undefined {
  try {
    return read(text)
  } catch (error) {
    if (error instanceof JidError || error instanceof XmlFault) return undefined
    throw error
  }
}

function read(text: string): Stanza | undefined {
  const [root] = treesOf(Buffer.from(text), NS_CLIENT)
  if (root === undefined || !isKind(root.name)) return undefined
  const attribute = (name: string): string | undefined => root.attrs[name] as string | undefined
  const head = {
    kind: root.name, to: addressOf(attribute('to')), from: addressOf(attribute('from')), id: attribute('id'),
    type: attribute('type') ?? '', lang: attribute('xml:lang')
  }
  return Stanza.of(head, ...root.getChildElements())
}

const isKind = (name: string): name is StanzaKind => name === 'message' || name === 'presence' || name === 'iq'
const addressOf = (text: string | undefined): Jid | undefined => (text === undefined ? undefined : parseJid(text))

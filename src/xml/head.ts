/** From a start tag to what the rest of the house reads: attributes by name. */
import { NS_XML } from './namespaces.js'
import type { Prefixes } from './namespaces.js'
import { isDeclaration } from './tag.js'
import type { Place, StartTag } from './tag.js'
import type { Attributes } from './raw.js'
import { nameText } from './words.js'

/** What attributes in a namespace are called, by that namespace: `xml:lang` and nothing else unless somebody asks. */
export type PrefixNames = Readonly<Record<string, string>>

export const XML_ONLY: PrefixNames = { [NS_XML]: 'xml' }
const LANG = 'xml:lang'

function isDefaultDeclaration(tag: StartTag, index: number): boolean {
  return index === tag.defaultNs
}

/** Attributes of a tag that the scanner has passed. `prefixes` is the scope in which the tag stands. */
export function attributesOf(d: Buffer, tag: StartTag, prefixes: Prefixes, names = XML_ONLY): Attributes {
  const attrs = Object.create(null) as Record<string, string>
  for (let k = 0; k < tag.count; k++) {
    if (isDefaultDeclaration(tag, k)) continue
    const place = tag.places[k] as Place
    const key = place.colon === 0 ? nameText(d, place.from, place.to) : prefixedKey(d, place, prefixes, names)
    if (key !== undefined) attrs[key] = tag.value(d, place)
  }
  return attrs
}

function prefixedKey(d: Buffer, place: Place, prefixes: Prefixes, names: PrefixNames): string | undefined {
  if (isDeclaration(d, place)) return undefined
  const name = names[prefixes.resolve(nameText(d, place.from, place.colon))]
  if (name === undefined) return undefined
  const key = `${name}:${nameText(d, place.colon + 1, place.to)}`
  return name === 'xml' && key !== LANG ? undefined : key
}

/**
 * Trees, for whoever asks for a payload. The one importer of ltx and @xmpp/xml; everybody else builds with `xml()`
 * and reads through `Element`.
 */
import xml from '@xmpp/xml'
import type { Element as LtxElement } from 'ltx'
import { write } from './writer.js'

export type Element = LtxElement
export { xml }

/** Text of an element itself, '' if none; child elements are passed over. */
export function textOf(element: Element): string {
  return (element.children as readonly unknown[]).filter((child) => typeof child === 'string').join('')
}

/** An own attribute as text; `undefined` when absent, whatever its name. */
export function attributeOf(element: Element, name: string): string | undefined {
  const value = Object.hasOwn(element.attrs, name) ? element.attrs[name] as unknown : undefined
  return value === undefined || value === null ? undefined : String(value)
}

/** Child elements in order, without text. */
export function elementsOf(element: Element): readonly Element[] {
  return (element.children as readonly unknown[]).filter((child): child is Element => typeof child === 'object' && child !== null)
}

/**
 * One complete element as text, for `Transport.send`: features, SASL, stream management.
 * @param outerNs the default namespace declared around it; '' where it stands alone
 */
export function serializeElement(element: Element, outerNs: string): string {
  return write([element], outerNs)
}

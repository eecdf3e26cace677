/**
 * Trees, for whoever asks for a payload. The one importer of ltx and @xmpp/xml; everybody else builds with `xml()`
 * and reads through `Element`.
 */
import xml from '@xmpp/xml'
import type { Element as LtxElement } from 'ltx'

export type Element = LtxElement
export { xml }

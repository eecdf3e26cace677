/** Delayed delivery (XEP-0203): says when and by whom a stanza was held. */
import { type Element, xml } from '../xml/element.js'
import { dateTime } from './datetime.js'
import type { Jid } from './jid.js'
import type { Stanza } from './stanza.js'

export const NS_DELAY = 'urn:xmpp:delay'

/** @param by who held it  @param atMs since 1970, when it was first sent */
export function delay(by: Jid, atMs: number, reason = ''): Element {
  const attributes = { xmlns: NS_DELAY, from: by.toString(), stamp: dateTime(atMs) }
  return reason === '' ? xml('delay', attributes) : xml('delay', attributes, reason)
}

/** @param by a domain of ours: strangers cannot say so, their delays in our name are taken out when they send */
export function isDelayed(stanza: Stanza, by: string): boolean {
  return stanza.has('delay', NS_DELAY) && stanza.elements().some((element) => element.is('delay', NS_DELAY) && element.attrs['from'] === by)
}

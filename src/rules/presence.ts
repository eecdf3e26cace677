/** What a presence stanza may say of itself (RFC 6121 §4.7). Pure: text in, value out, `undefined` for what is wrong. */
import type { SubscriptionType } from './subscription.js'

export const SUBSCRIPTION_TYPES: readonly SubscriptionType[] = ['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed']

/** `available` stands for an absent attribute. */
export type PresenceType = SubscriptionType | 'available' | 'error' | 'probe' | 'unavailable'

/** RFC 6121 §4.7.1. */
export function presenceType(attribute: string): PresenceType | undefined {
  switch (attribute) {
    case '': return 'available'
    case 'error': case 'probe': case 'unavailable':
    case 'subscribe': case 'subscribed': case 'unsubscribe': case 'unsubscribed': return attribute
    default: return undefined
  }
}

export function isSubscriptionType(attribute: string): attribute is SubscriptionType {
  return (SUBSCRIPTION_TYPES as readonly string[]).includes(attribute)
}

/** RFC 6121 §4.7.2.3: the text of all priority elements; none means 0. */
export function parsePriority(texts: readonly string[]): number | undefined {
  const [text, ...more] = texts
  if (text === undefined) return 0
  if (more.length > 0 || !/^\s*[+-]?\d{1,3}\s*$/.test(text)) return undefined
  const priority = Number(text)
  return priority >= -128 && priority <= 127 ? priority : undefined
}

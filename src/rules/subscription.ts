/**
 * Presence subscriptions as tables (RFC 6121 §3 and Appendix A): what one of the four stanza types does to what the
 * user's roster knows of a contact. Pure; a roster item has the shape of `SubscriptionState`.
 */
export type SubscriptionType = 'subscribe' | 'subscribed' | 'unsubscribe' | 'unsubscribed'

export interface SubscriptionState {
  readonly subscription: 'none' | 'to' | 'from' | 'both'
  /** Pending Out: `ask='subscribe'`. */
  readonly ask: boolean
  /** Pre-approved (§3.4). */
  readonly approved: boolean
  /** Pending In: their request as a stanza's text. */
  readonly pendingIn: string | undefined
  /** False: noted by the server only, no roster item is shown (§3.1.3). */
  readonly listed: boolean
}

/** What a stanza does to the user's side. */
interface Change {
  /** `undefined`: nothing to remember. The same object when nothing has changed. */
  readonly state: SubscriptionState | undefined
  /** The item as shown has changed. */
  readonly push: boolean
  /** What became of the contact's right to the user's presence. */
  readonly access: 'granted' | 'ended' | 'same'
}

export interface Outbound extends Change {
  /** The stanza goes to the contact. */
  readonly route: boolean
}

export interface Inbound extends Change {
  /** The stanza goes to the user's devices. */
  readonly deliver: boolean
  /** Sent on behalf of the user. */
  readonly reply: 'subscribed' | 'unsubscribed' | undefined
}

const NOTHING: SubscriptionState = { subscription: 'none', ask: false, approved: false, pendingIn: undefined, listed: false }

type HasSubscription = Pick<SubscriptionState, 'subscription'>
/** The user is entitled to the contact's presence. */
export const seesContact = (state: HasSubscription): boolean => state.subscription === 'to' || state.subscription === 'both'
/** The contact is entitled to the user's presence. */
export const isSeenByContact = (state: HasSubscription): boolean => state.subscription === 'from' || state.subscription === 'both'

function subscriptionOf(to: boolean, from: boolean): SubscriptionState['subscription'] {
  if (to) return from ? 'both' : 'to'
  return from ? 'from' : 'none'
}

const withTo = (state: SubscriptionState, to: boolean): SubscriptionState =>
  ({ ...state, subscription: subscriptionOf(to, isSeenByContact(state)) })
const withFrom = (state: SubscriptionState, from: boolean): SubscriptionState =>
  ({ ...state, subscription: subscriptionOf(seesContact(state), from) })

/** The user sends `type` to the contact (Appendix A.2). */
export function outbound(type: SubscriptionType, before: SubscriptionState | undefined): Outbound {
  const state = before ?? NOTHING
  switch (type) {
    case 'subscribe': // Table 2
      return { route: true, ...changeOf(before, seesContact(state) ? state : { ...state, ask: true, listed: true }) }
    case 'unsubscribe': // Table 3
      return { route: true, ...changeOf(before, { ...withTo(state, false), ask: false }) }
    case 'subscribed': return outboundSubscribed(before, state)
    case 'unsubscribed': // Table 5; an approval in advance ends with it (§3.4.2)
      return {
        route: state.pendingIn !== undefined || isSeenByContact(state),
        ...changeOf(before, { ...withFrom(state, false), pendingIn: undefined, approved: false })
      }
    default: return type satisfies never
  }
}

/** Table 4. */
function outboundSubscribed(before: SubscriptionState | undefined, state: SubscriptionState): Outbound {
  if (isSeenByContact(state)) return { route: false, ...changeOf(before, state) }
  if (state.pendingIn === undefined) return { route: false, ...changeOf(before, { ...state, approved: true, listed: true }) } // §3.4.2
  return { route: true, ...changeOf(before, { ...withFrom(state, true), pendingIn: undefined, listed: true }) }
}

/**
 * The contact sends `type` to the user (Appendix A.3).
 * @param stanza the request's text, kept until it is answered (§3.1.3)
 */
export function inbound(type: SubscriptionType, before: SubscriptionState | undefined, stanza = ''): Inbound {
  const state = before ?? NOTHING
  switch (type) {
    case 'subscribe': return inboundSubscribe(before, state, stanza)
    case 'subscribed': // Table 8
      return arrived(before, state.ask ? { ...withTo(state, true), ask: false } : state, state.ask)
    case 'unsubscribe': { // Table 7
      const changes = state.pendingIn !== undefined || isSeenByContact(state)
      return arrived(before, { ...withFrom(state, false), pendingIn: undefined }, changes, changes ? 'unsubscribed' : undefined)
    }
    case 'unsubscribed': // Table 9
      return arrived(before, { ...withTo(state, false), ask: false }, state.ask || seesContact(state))
    default: return type satisfies never
  }
}

/** Table 6. */
function inboundSubscribe(before: SubscriptionState | undefined, state: SubscriptionState, stanza: string): Inbound {
  if (isSeenByContact(state)) return arrived(before, state, false, 'subscribed')
  if (state.approved) return arrived(before, { ...withFrom(state, true), listed: true }, false, 'subscribed') // §3.4.2
  if (state.pendingIn !== undefined) return arrived(before, state, false)
  return arrived(before, { ...state, pendingIn: stanza }, true)
}

function arrived(
  before: SubscriptionState | undefined, after: SubscriptionState, deliver: boolean, reply?: 'subscribed' | 'unsubscribed'
): Inbound {
  return { deliver, reply, ...changeOf(before, after) }
}

function changeOf(before: SubscriptionState | undefined, after: SubscriptionState): Change {
  const was = before ?? NOTHING
  const shown = after.subscription !== was.subscription || after.ask !== was.ask ||
    after.approved !== was.approved || after.listed !== was.listed
  const same = !shown && after.pendingIn === was.pendingIn
  const state = same ? before : after
  return { state: isNothing(after) ? undefined : state, push: after.listed && shown, access: accessChange(was, after) }
}

/** Neither shown nor pending nor approved. */
export function isNothing(state: SubscriptionState): boolean {
  return !state.listed && !state.approved && !state.ask && state.pendingIn === undefined && state.subscription === 'none'
}

function accessChange(before: SubscriptionState, after: SubscriptionState): Change['access'] {
  if (isSeenByContact(before) === isSeenByContact(after)) return 'same'
  return isSeenByContact(after) ? 'granted' : 'ended'
}

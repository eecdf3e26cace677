/**
 * Where a stanza for a local account goes (RFC 6121 §8.5), in two halves. The *device half*, `eligible`, runs on the node
 * of each device; the *account half*, `whenNobodyTookIt`, runs on the sender's node once every node has said none.
 */
export interface StanzaFacts {
  readonly kind: 'message' | 'presence' | 'iq'
  /** As sent; '' when absent. */
  readonly type: string
}

export type MessageType = 'chat' | 'error' | 'groupchat' | 'headline' | 'normal'

/** RFC 6121 §5.2.2: anything unknown counts as normal. */
export function messageType(attribute: string): MessageType {
  switch (attribute) {
    case 'chat': case 'error': case 'groupchat': case 'headline': return attribute
    default: return 'normal'
  }
}

export interface DeviceFacts {
  /** The resourcepart. */
  readonly resource: string
  /** `undefined` while it has not sent initial presence. */
  readonly priority: number | undefined
}

/**
 * The device takes the stanza.
 * @param resource of the address; '' for a bare JID
 */
export function eligible(stanza: StanzaFacts, resource: string, device: DeviceFacts): boolean {
  if (resource !== '') return device.resource === resource // §8.5.3.1: available or merely connected
  switch (stanza.kind) {
    case 'message': return isForAll(stanza.type) && device.priority !== undefined && device.priority >= 0 // §8.5.2.1.1
    case 'presence': return device.priority !== undefined // §8.5.2.1.2
    case 'iq': return false                               // §8.5.2.1.3: the server answers
    default: return stanza.kind satisfies never
  }
}

function isForAll(type: string): boolean {
  return type !== 'groupchat' && type !== 'error'
}

/** Whether devices are to be asked at all; a bare address has kinds that never reach one. */
export function isForDevices(stanza: StanzaFacts, resource: string): boolean {
  if (resource !== '') return true
  return stanza.kind === 'message' ? isForAll(stanza.type) : stanza.kind === 'presence'
}

/**
 * - `bare`: again, by the rules of the bare JID
 * - `store`: offline storage, and if that refuses, bounce
 * - `bounce`: answered with service-unavailable
 * - `ignore`: nothing
 */
export type Fate = 'bare' | 'store' | 'bounce' | 'ignore'

/** The account exists, and no device took the stanza (§8.5.2.2, §8.5.3.2). */
export function whenNobodyTookIt(stanza: StanzaFacts, resource: string): Fate {
  switch (stanza.kind) {
    case 'message': return resource === '' ? bareMessage(stanza.type) : fullMessage(stanza.type)
    case 'presence': return 'ignore' // §8.5.2.2.2, §8.5.3.2.2
    case 'iq': return isAnswer(stanza.type) ? 'ignore' : 'bounce' // §8.5.3.2.3; RFC 6120 §8.2.3
    default: return stanza.kind satisfies never
  }
}

/**
 * A device has left it unacknowledged (XEP-0198 §4): like one for a device that is not there, but what can be kept is kept.
 * @param asked the resource that was asked for last; '' for all
 * @param meant the resource in the stanza's own address
 */
export function whenLeft(stanza: StanzaFacts, asked: string, meant: string): Fate {
  const type = messageType(stanza.type)
  if (stanza.kind !== 'message' || (type !== 'chat' && type !== 'normal')) return whenNobodyTookIt(stanza, meant)
  return asked === '' ? 'store' : 'bare'
}

/** §8.5.2.2.1. */
function bareMessage(type: string): Fate {
  const kind = messageType(type)
  switch (kind) {
    case 'normal': case 'chat': return 'store'
    case 'groupchat': return 'bounce' // §8.5.2.1.1
    case 'headline': case 'error': return 'ignore'
    default: return kind satisfies never
  }
}

/** §8.5.3.2.1: of the choices the one that tells the sender. */
function fullMessage(type: string): Fate {
  const kind = messageType(type)
  switch (kind) {
    case 'chat': return 'bare'
    case 'normal': case 'groupchat': case 'headline': return 'bounce'
    case 'error': return 'ignore'
    default: return kind satisfies never
  }
}

/**
 * There is no such account (§8.5.1). A sender must not learn so: full addresses are treated as those of devices that an
 * account does not have, or does not show.
 * - `unsubscribed`: answered with presence of that type from the bare JID, as for a stranger (§4.3.2)
 */
export function whenNoAccount(stanza: StanzaFacts, resource: string): 'bounce' | 'ignore' | 'unsubscribed' {
  if (stanza.kind === 'presence') return stanza.type === 'probe' && resource === '' ? 'unsubscribed' : 'ignore'
  if (stanza.kind === 'iq') return isAnswer(stanza.type) ? 'ignore' : 'bounce'
  return stanza.type === 'error' || (stanza.type === 'headline' && resource === '') ? 'ignore' : 'bounce'
}

const isAnswer = (type: string): boolean => type === 'result' || type === 'error'

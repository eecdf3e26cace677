/**
 * What a BOSH client and this server agree on at the beginning of a session (XEP-0124 §7), and how it is told. Pure.
 */
import type { StreamHeader } from '../xml/raw.js'
import { commonVersion } from './bosh-body.js'
import type { BoshRequest, BoshWish } from './bosh-body.js'
import type { HttpLimitSettings } from './options.js'
import type { OpenReply } from './transport.js'

export interface BoshTerms {
  readonly sid: string
  readonly firstRid: number
  readonly waitMs: number
  /** 0 for a polling session. */
  readonly hold: number
  /** Simultaneous requests. */
  readonly requests: number
  readonly pollingMs: number
  readonly inactivityMs: number
  readonly pauseMaxMs: number
  /** `undefined`: the client gave none and knows only HTTP codes for errors (§17.1). */
  readonly ver: string | undefined
  readonly contentType: string
  readonly acks: boolean
  /** Of the XMPP stream, as the client said. */
  readonly version: string
}

/** §7.2: never above what was asked, nor above our own limits. */
export function agree(wish: BoshWish, firstRid: number, sid: string, limits: HttpLimitSettings): BoshTerms {
  const wait = Math.min(wish.wait ?? limits.boshWaitSeconds, limits.boshWaitSeconds)
  const hold = wait === 0 ? 0 : Math.min(wish.hold ?? limits.boshHold, limits.boshHold)
  return {
    sid, firstRid, hold,
    waitMs: wait * 1_000,
    requests: Math.max(2, hold + 1),                   // one to hold, one to send with
    pollingMs: limits.boshPollingSeconds * 1_000,
    inactivityMs: limits.boshInactivitySeconds * 1_000,
    pauseMaxMs: limits.boshPauseSeconds * 1_000,
    ver: wish.ver === undefined ? undefined : commonVersion(wish.ver),
    contentType: wish.content, acks: wish.acks, version: wish.version
  }
}

export type AnswerAttributes = Readonly<Record<string, string | number | undefined>>

/** XEP-0124 §7.2, XEP-0206 §4: attributes of the first answer. */
export function greetingOf(terms: BoshTerms, opened: OpenReply | undefined): AnswerAttributes {
  return {
    sid: terms.sid, wait: terms.waitMs / 1_000, requests: terms.requests, ver: terms.ver,
    polling: terms.pollingMs / 1_000, inactivity: terms.inactivityMs / 1_000, maxpause: terms.pauseMaxMs / 1_000,
    hold: terms.hold, ack: terms.acks ? terms.firstRid : undefined,
    from: opened?.from, authid: opened?.id, 'xmpp:version': opened?.version, 'xmpp:restartlogic': 'true'
  }
}

/** XEP-0206 §3, §5: the wrapper stands for the stream header. */
export function headerOf(request: BoshRequest, version: string): StreamHeader {
  const attrs = Object.assign(Object.create(null) as Record<string, string>, { version })
  if (request.to !== undefined) attrs['to'] = request.to
  if (request.from !== undefined) attrs['from'] = request.from
  if (request.lang !== undefined) attrs['xml:lang'] = request.lang
  return { name: 'stream', ns: 'http://etherx.jabber.org/streams', contentNs: 'jabber:client', attrs }
}

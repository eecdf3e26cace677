/**
 * Gives a stream its address and its session (RFC 6120 §7): the limit of devices, the resource, the registry.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { NS_ERRORS } from '../stream/namespaces.js'
import type { Identity } from '../stream/authenticator.js'
import type { Binder, Bound, Resumed, ResumeWish } from '../stream/features/bind.js'
import type { OpenStream } from '../stream/open-stream.js'
import { StanzaError, StreamError } from '../xmpp/errors.js'
import type { HybridClock } from '../xmpp/hlc.js'
import type { Jid } from '../xmpp/jid.js'
import { ClientSession, type SessionParts } from './client-session.js'
import type { SessionSettings } from './options.js'
import { Resumptions, type ResumptionParts } from './resumptions.js'
import type { Sessions } from './sessions.js'

/** Enough that nobody guesses it (RFC 6120 §7.6). */
const RESOURCE_BYTES = 12

export interface BinderParts extends Omit<SessionParts, 'remove' | 'queue' | 'resumptions' | 'csiHeld'> {
  readonly sessions: Sessions
  readonly hlc: HybridClock
  readonly settings: SessionSettings
  readonly metrics: SessionParts['metrics'] & Pick<ResumptionParts, 'resumes'>
  /** What stanzas are counted from; for tests of the wrap at 2^32. */
  readonly smStart?: number
}

export function createBinder(parts: BinderParts): Binder {
  const { sessions, handler, hlc } = parts
  const resumptions = resumptionsOf(parts)
  const sessionParts: SessionParts = {
    ...parts, resumptions, queue: queueOf(parts), csiHeld: parts.settings.csiHeld, remove: (session) => sessions.remove(session)
  }

  return {
    async bind(identity: Identity, resource: string | undefined, stream: OpenStream): Promise<Bound> {
      sessions.checkLogin(identity.jid, stream.since)
      const jid = identity.jid.withResource(resource ?? randomBytes(RESOURCE_BYTES).toString('base64url'))
      if (!sessions.gateOpen) throw new StanzaError('wait', 'resource-constraint', 'This node may not serve at the moment')
      checkLimit(parts, jid)
      const facts = { jid, account: identity, session: randomUUID().replaceAll('-', ''), bound: hlc.next() }
      const session = new ClientSession(facts, stream, sessionParts)
      sessions.add(session)
      try {
        await handler.bound(session)
      } catch (error) {
        session.ended('stream-error', stream)      // whoever has heard of it hears that it is gone
        throw error
      }
      return { jid, consumer: session, enable: (wish) => session.enable(wish), begin: () => session.begin(stream) }
    },

    async resume(identity: Identity, wish: ResumeWish, stream: OpenStream): Promise<Resumed> {
      if (!sessions.gateOpen) throw new StreamError('resource-constraint', 'This node may not serve at the moment')
      sessions.checkLogin(identity.jid, stream.since)
      return resumptions.find(wish.previd, identity).resume(stream, wish)
    }
  }
}

function resumptionsOf({ sessions, settings, clock, log, metrics, smStart }: BinderParts): Resumptions {
  const { smResumeSeconds: secondsMax, smLocation: location } = settings
  const more = smStart === undefined ? {} : { start: smStart }
  return new Resumptions({ node: sessions.node, clock, log, secondsMax, location, resumes: metrics.resumes, ...more })
}

function queueOf({ settings }: BinderParts): SessionParts['queue'] {
  const { smQueue, smQueueBytes, smRequestEvery, smRequestIdle, smAckSeconds } = settings
  return { stanzasMax: smQueue, bytesMax: smQueueBytes, every: smRequestEvery, idleMs: smRequestIdle, answerMs: smAckSeconds * 1000 }
}

// RFC 6120 §7.6.2.1, XEP-0205 §4.4. A device that takes over its own resource is not one more.
function checkLimit({ sessions, handler, settings }: BinderParts, jid: Jid): void {
  if (sessions.byFull(jid) !== undefined || handler.devicesOf(jid.bare) < settings.resourcesMax) return
  throw new StanzaError('wait', 'resource-constraint', `No more than ${settings.resourcesMax} devices`,
    { name: 'resource-limit-exceeded', ns: NS_ERRORS })
}

/** Where clients come in: glues transports to streams, streams to sessions. */
import type { Authenticator } from '../stream/authenticator.js'
import { c2sProfile, type Domains } from '../stream/profile.js'
import type { StreamSettings } from '../stream/options.js'
import { Stream } from '../stream/stream.js'
import type { Log } from '../telemetry/log.js'
import type { Accept } from '../transport/transport.js'
import { createBinder, type BinderParts } from './binder.js'

export interface DoorParts extends BinderParts {
  readonly streamSettings: StreamSettings
  readonly domains: Domains
  readonly authenticator: Authenticator
  /** What plugins say in `<stream:features/>` after authentication, as XML that stands alone there. */
  readonly extras: () => string
  readonly log: Log
}

export function createClientDoor(parts: DoorParts): Accept {
  const { clock, deadlines, log, domains, authenticator, extras } = parts
  const binder = createBinder(parts)
  const profile = c2sProfile({ settings: parts.streamSettings, domains, authenticator, binder, extras })
  return (transport) => new Stream(transport, { profile, clock, deadlines, log }).start()
}

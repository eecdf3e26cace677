/** Where clients come in: glues transports to streams, streams to sessions. */
import type { Authenticator, Tokens } from '../stream/authenticator.js'
import type { Registrar } from '../stream/registrar.js'
import type { ToldLimits } from '../stream/features/limits.js'
import { c2sProfile, type Domains } from '../stream/profile.js'
import type { StreamSettings } from '../stream/options.js'
import { HOLD } from '../stream/open-stream.js'
import { Stream, type StreamParts } from '../stream/stream.js'
import type { Log } from '../telemetry/log.js'
import type { Metrics } from '../telemetry/metrics.js'
import type { Admittance } from '../transport/bounds.js'
import type { Accept } from '../transport/transport.js'
import { StreamError } from '../xmpp/errors.js'
import { createBinder, type BinderParts } from './binder.js'
import { Silence } from './silence.js'

export interface DoorParts extends BinderParts {
  readonly streamSettings: StreamSettings
  readonly domains: Domains
  readonly authenticator: Authenticator
  readonly registrar: Registrar
  /** The same on all nodes and after a restart. */
  readonly loginSecret: Buffer
  readonly tokens: Tokens | undefined
  readonly limits: ToldLimits
  /** What plugins say in `<stream:features/>` after authentication, as XML that stands alone there. */
  readonly extras: () => string
  readonly log: Log
  /** While it is strained clients are told to come later. */
  readonly strain?: Admittance | undefined
  readonly metrics: BinderParts['metrics'] & Pick<Metrics, 'streamsOpened' | 'streamsClosed'>
}

const BUSY = 'This node has too much to do: try another one, or later'

/** Takes each new connection; `sessions` closes and holds those that have not logged in, too. */
export function createClientDoor(parts: DoorParts): Accept {
  const { clock, deadlines, log, sessions } = parts
  const binder = createBinder(parts)
  const profile = c2sProfile({ ...parts, settings: parts.streamSettings, binder })
  const streams = new Set<Stream>()
  const idleMs = parts.streamSettings.idleSeconds * 1000
  const silence = new Silence({ streams, idleMs, mayServe: () => sessions.gateOpen, deadlines })
  const over: StreamParts['over'] = (stream, reason) => {
    streams.delete(stream)
    parts.metrics.streamsClosed.add(reason)
  }

  sessions.attach({
    gate(open) {
      for (const stream of streams) gateStream(stream, open)
    },
    shutdown() {
      for (const stream of [...streams]) stream.close(new StreamError('system-shutdown'), 'shutdown')
    },
    abort(reason) {
      for (const stream of [...streams]) stream.abort(reason)
    }
  })

  const streamParts: StreamParts = { profile, clock, deadlines, log, over }
  return (transport) => {
    const stream = new Stream(transport, streamParts)
    streams.add(stream)
    silence.begin(clock.now())
    parts.metrics.streamsOpened.add(transport.kind)
    stream.start()
    if (parts.strain?.strained === true) stream.close(new StreamError('resource-constraint', BUSY), 'overloaded')
    else if (!sessions.gateOpen) gateStream(stream, false)
  }
}

function gateStream(stream: Stream, open: boolean): void {
  if (open) stream.release(HOLD.gate)
  else stream.hold(HOLD.gate)
}

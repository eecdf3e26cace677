/** Every `new` of the router, once: who knows whom. */
import { runStranded } from '../pipeline/run.js'
import { HandlerContext } from '../pipeline/context.js'
import { Acceptance } from './acceptance.js'
import { AskTable } from './ask-table.js'
import { Asks } from './asks.js'
import { Backpressure } from './backpressure.js'
import { NodeLife } from './cause.js'
import { DeliveryDesk } from './delivery.js'
import { Devices } from './devices.js'
import { Dispatch, type Destination } from './dispatch.js'
import { isPromise, type Eventually } from './eventually.js'
import { Inbound } from './inbound.js'
import { IqDoors } from './iq-doors.js'
import { Leftovers } from './leftovers.js'
import { OfflineRows } from './offline-rows.js'
import type { OpenStanza } from './open-stanza.js'
import type { RouterDeps } from './router.js'
import { ServedDomain } from './served-domain.js'
import { Shown } from './shown.js'

export interface Parts {
  readonly life: NodeLife
  readonly table: AskTable
  readonly pressure: Backpressure
  readonly shown: Shown
  readonly rows: OfflineRows
  readonly acceptance: Acceptance
  readonly delivery: DeliveryDesk
  readonly asks: Asks
  readonly doors: IqDoors
  readonly dispatch: Dispatch
  readonly devices: Devices
  readonly inbound: Inbound
}

export function createParts(deps: RouterDeps, drawnLife: string): Parts {
  const { services, mesh } = deps
  const { clock, log } = services
  const life = new NodeLife(deps.life ?? drawnLife)
  const table = new AskTable(clock, deps.metrics)
  const pressure = new Backpressure(clock)
  const shown = new Shown()
  const rows = new OfflineRows(services.store.offline, clock, log)
  const acceptance = new Acceptance({ ...deps, shown, rows, send: (deliveries) => dispatch.sendOwn(deliveries) })
  const delivery = new DeliveryDesk({ ...deps, acceptance, table, pressure, log, clock })
  const destinations = new Map<string, Destination>()
  const dispatch = new Dispatch({ ...deps, abroad: deps.abroad, destinations, acceptance, delivery, life, log, asks: () => asks })
  const asks = new Asks({
    ...deps, clock, acceptance, table, pressure,
    strand: (stanza) => strand(deps, stanza),
    bounce: (stanza, error) => dispatch.refuse(stanza.cause, stanza.stanza, error)
  })
  const doors = new IqDoors({
    ...deps,
    answer: (cause, reply) => dispatch.answer(cause, reply),
    send: (cause, deliveries) => dispatch.send(cause, deliveries)
  })
  const served = new ServedDomain({ ...deps, delivery, asks: () => asks, dispatch: () => dispatch, doors: () => doors })
  for (const domain of deps.domains) destinations.set(domain, served)
  const leftovers = new Leftovers({ life, dispatch, asks })
  const devices = new Devices({ ...deps, acceptance, shown, dispatch, life, leftovers })
  const inbound = new Inbound(mesh, clock, log, (from, envelope) => delivery.incoming(from, envelope))
  return { life, table, pressure, shown, rows, acceptance, delivery, asks, doors, dispatch, devices, inbound }
}

/** RFC 6121 §8.5.2.2.1: whoever keeps messages for the account is asked. */
function strand({ pipeline, services }: RouterDeps, { stanza, key, address }: OpenStanza): Eventually<number | undefined> {
  const table = stanza.kind === 'iq' ? null : pipeline[stanza.kind].stranded
  if (table === null) return undefined
  const account = services.caches.findAccount(address)
  const keep = (found: Awaited<typeof account>): Eventually<number | undefined> => {
    return found === undefined ? undefined : runStranded(table, stanza, new HandlerContext(services, found, undefined, key))
  }
  return isPromise(account) ? account.then(keep) : keep(account)
}

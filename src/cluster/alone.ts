/** `Mesh` for a node by itself: nothing listens, no table is used, everything is here. */
import type { ClusterTables } from '../storage/cluster-tables.js'
import type { Clock } from '../telemetry/clock.js'
import type { NodeRef } from '../router/strategy.js'
import { Hosting } from './hosting.js'
import type { NodeMesh } from './mesh.js'

export interface AloneParts {
  readonly tables: Pick<ClusterTables, 'notices' | 'lastNotice'>
  readonly clock: Clock
}

/** The command line's notices are read so often, as in a cluster. */
const NOTICE_MS = 1000

/** @param name of this node */
export function aloneMesh(name: string, version: string, { tables, clock }: AloneParts): NodeMesh {
  const self: NodeRef = { name, incarnation: 1 }
  const view = [self]
  const hosting = new Hosting({ self: () => self, view: () => view, register: () => undefined })
  let state: 'joining' | 'up' | 'draining' | 'left' = 'joining'
  let services = {}
  let cancel = (): void => {}
  let onNotice: (kind: string, subject: string) => void = () => {}
  return {
    self,
    viewNo: 1,
    view: () => view,
    route: () => true, // there is nobody to route to: no view names another node
    answer() {},
    bound() {},
    invalidate: async () => {},
    serving: () => true,
    listen() {},
    async start() {
      let last = await tables.lastNotice()
      let reading = false
      cancel = clock.every(NOTICE_MS, () => {
        if (reading) return
        reading = true
        tables.notices(last).then((notices) => {
          for (const { id, kind, subject } of notices) {
            last = Math.max(last, id)
            onNotice(kind, subject)
          }
        }, () => undefined) // the database is away: its own room says so; the notices are still there afterwards
          .finally(() => { reading = false })
      })
    },
    ready: async () => {},
    up(open) {
      services = open
      state = 'up'
      return Promise.resolve()
    },
    drain() {
      state = 'draining'
      return Promise.resolve()
    },
    stop() {
      cancel()
      state = 'left'
      return Promise.resolve()
    },
    host: (devices) => hosting.host(devices),
    boshTo: (node) => Promise.reject(new Error(`node ${node} does not exist: this server runs alone`)),
    onBosh() {},
    onNotice(handler) {
      onNotice = handler
    },
    onMembers() {},
    onEnd() {},
    members: () => [{
      ...self, address: name, state, self: true, linked: true, roundTripMs: undefined, services, version
    }],
    problems: () => [],
    fenceLife: () => Promise.resolve(false)
  }
}

/** `Mesh` for a node by itself: nothing listens, no table is used, everything is here. */
import type { NodeRef } from '../router/strategy.js'
import { Hosting } from './hosting.js'
import type { NodeMesh } from './mesh.js'

/** @param name of this node */
export function aloneMesh(name: string, version: string): NodeMesh {
  const self: NodeRef = { name, incarnation: 1 }
  const view = [self]
  const hosting = new Hosting({ self: () => self, view: () => view, register: () => undefined })
  let state: 'joining' | 'up' | 'draining' | 'left' = 'joining'
  let services = {}
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
    start: async () => {},
    ready: async () => {},
    async up(open) {
      services = open
      state = 'up'
    },
    async drain() {
      state = 'draining'
    },
    async stop() {
      state = 'left'
    },
    host: (devices) => hosting.host(devices),
    boshTo: (node) => Promise.reject(new Error(`node ${node} does not exist: this server runs alone`)),
    onBosh() {},
    onNotice() {},
    onMembers() {},
    onEnd() {},
    members: () => [{
      ...self, address: name, state, self: true, linked: true, roundTripMs: undefined, services, version
    }],
    problems: () => [],
    fenceLife: async () => false
  }
}

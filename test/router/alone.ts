/** One node by itself: a mesh without others and a strategy that has nobody to ask. */
import type { Mesh } from '../../src/router/envelope.js'
import type { NodeRef, Strategy } from '../../src/router/strategy.js'

export function aloneMesh(self: NodeRef): Mesh {
  return {
    self,
    viewNo: 1,
    view: () => [self],
    route: () => true,
    answer: () => undefined,
    bound: () => undefined,
    invalidate: () => Promise.resolve(),
    serving: () => true,
    listen: () => undefined
  }
}

const NOWHERE = { nodes: [], complete: true } as const

export const aloneStrategy: Strategy = {
  name: 'alone',
  start: () => Promise.resolve(),
  stop: () => Promise.resolve(),
  announce: () => Promise.resolve(),
  withdraw: () => undefined,
  locate: () => NOWHERE
}

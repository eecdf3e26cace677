/**
 * The default strategy: no directory. A stanza goes to all live nodes at once, each answers what it has. Nothing is
 * ever out of date; traffic grows with the number of nodes.
 */
import type { Location, NodeRef, Strategy } from '../../router/strategy.js'

export function broadcast(): Strategy {
  let everywhere: Location = { nodes: [], complete: true }
  return {
    name: 'broadcast',
    start(host) {
      const isOther = (node: NodeRef): boolean => node.name !== host.self.name
      const look = (): void => {
        everywhere = { nodes: host.view().filter(isOther), complete: true }
      }
      host.onNode(look)
      look()
      return Promise.resolve()
    },
    stop() {
      everywhere = { nodes: [], complete: true }
      return Promise.resolve()
    },
    announce: () => Promise.resolve(), // whoever looks for the device asks this node
    withdraw() {},
    locate: () => everywhere
  }
}

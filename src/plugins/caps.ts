/** Entity capabilities (XEP-0115), the server's own: told with the stream features, so that clients need not ask. */
import { plugin, type ServerFacts } from '../pipeline/api.js'
import { verificationString } from '../rules/caps.js'
import { xml } from '../xml/element.js'

const NS = 'http://jabber.org/protocol/caps'
/** Names the software, whatever its version (§4). */
const NODE = 'urn:starling:server'

const verOf = (server: ServerFacts): string => {
  const { identities, features } = server.disco('host')
  return verificationString(identities, features)
}

/** The node of disco#info that belongs to what is told now (§6.2). */
export const isCapsNode = (node: string, server: ServerFacts): boolean =>
  node.startsWith(`${NODE}#`) && node === `${NODE}#${verOf(server)}`

export default plugin({
  id: 'caps',
  xep: { number: 115, version: '1.6.0', title: 'Entity Capabilities' },
  needs: ['disco'],
  disco: { host: [NS] },
  streamFeatures: (server) => [xml('c', { xmlns: NS, hash: 'sha-1', node: NODE, ver: verOf(server) })] // §6.3
})

/**
 * A clustering strategy of your own: every node keeps a directory of all online devices.
 * Use it with --sm-cluster-strategy-class=./examples/strategy/directory.js on every node.
 */
export default function directory() {
  const where = new Map() // session id -> { node, jid }, devices of other nodes
  const known = new Set() // names of nodes that have told us everything
  let host

  const tell = (to, message) => host.send(to, Buffer.from(JSON.stringify(message))).catch(() => {}) // gone: nothing to tell
  const others = () => host.view().filter((node) => node.name !== host.self.name)
  const entry = ({ session, jid }) => [session, jid.toString()]
  const greet = (node) => tell(node, { all: [...host.devices()].map(entry) })
  const forget = (node) => {
    known.delete(node.name)
    for (const [session, device] of where) if (device.node.name === node.name) where.delete(session)
  }
  return {
    name: 'example-directory',
    async start(given) {
      host = given
      host.onNode((change, node) => (change === 'up' ? greet(node) : forget(node)))
      host.onMessage((node, bytes) => {
        const { all, came = [], went } = JSON.parse(Buffer.from(bytes).toString())
        if (all) known.add(node.name)
        for (const [session, jid] of all ?? came) where.set(session, { node, jid })
        where.delete(went)
      })
      others().forEach(greet)
    },
    async stop() {},
    async announce(device) {
      await Promise.all(others().map((node) => tell(node, { came: [entry(device)] })))
    },
    withdraw: ({ session }) => others().forEach((node) => void tell(node, { went: session })),
    locate(address) {
      const holds = ({ jid }) => jid === `${address}` || (address.isBare && jid.startsWith(`${address}/`))
      const found = [...where.values()].filter(holds).map(({ node }) => node.name)
      return { nodes: others().filter(({ name }) => found.includes(name) || !known.has(name)), complete: true }
    }
  }
}

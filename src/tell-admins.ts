/**
 * `--cluster-notify-admins`: a chat message to each admin when a node comes or goes. One node says it for all: of those
 * that serve, other than the node it is about, the one with the smallest name.
 */
import type { NodeMesh } from './cluster/mesh.js'
import { printMembers, type Member, type MemberChange } from './cluster/settings.js'
import { send } from './pipeline/api.js'
import type { Router } from './router/router.js'
import { xml } from './xml/element.js'
import { Jid, parseJid } from './xmpp/jid.js'
import { Stanza } from './xmpp/stanza.js'

export interface Admins {
  readonly admins: readonly string[]
  readonly virtualHosts: readonly { readonly domain: string }[]
}

export interface TellParts {
  readonly mesh: Pick<NodeMesh, 'onMembers' | 'serving' | 'self'>
  readonly router: Pick<Router, 'submit'>
}

/** From now on; what happened during the start was no news. */
export function tellAdmins({ admins, virtualHosts }: Admins, { mesh, router }: TellParts): void {
  const addresses = admins.map((admin) => parseJid(admin).bare)
  const from = new Jid('', virtualHosts[0]?.domain ?? mesh.self.name, '')
  mesh.onMembers((change) => {
    if (!mesh.serving() || !speaks(mesh.self.name, change)) return       // a node that rejoins meets the others again: no news
    for (const to of addresses) router.submit(send(messageOf(change, from, to)))
  })
}

function speaks(self: string, { node, members }: MemberChange): boolean {
  const others = members.filter((member: Member) => member.state === 'up' && member.name !== node).map(({ name }) => name)
  return (others.sort()[0] ?? node) === self
}

function messageOf({ reason, node, address, members }: MemberChange, from: Jid, to: Jid): Stanza & { readonly to: Jid } {
  const body = xml('body', {}, `Node ${node} (${address}): ${reason}. ${printMembers(members)}`)
  return Stanza.of({ kind: 'message', type: 'chat', from, to }, body) as Stanza & { readonly to: Jid }
}

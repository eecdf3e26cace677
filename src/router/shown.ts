/**
 * Which remote devices each own device has been shown as available, and on which life of which node they were: when that
 * life ends, `unavailable` is written here, once, and nothing crosses a link for it (RFC 6121 §4.5; cluster design,
 * section 5). Also keeps a late `unavailable` of an earlier life from hiding a newer device of the same name.
 */
import type { Session } from '../session/session.js'
import { Stanza } from '../xmpp/stanza.js'
import type { Jid } from '../xmpp/jid.js'
import { isOver } from './ask-table.js'
import type { NodeRef } from './strategy.js'

interface Seen {
  readonly jid: Jid
  readonly owner: NodeRef
}

export class Shown {
  /** Lives that are over, by name. */
  readonly #over = new Map<string, NodeRef>()
  readonly #byDevice = new Map<Session, Map<string, Seen>>()

  /**
   * A presence stanza is about to be written to `device`. False: it is late, do not write it.
   * @param owner the life that has the presence's sender; `undefined` when that is this node
   */
  passes(device: Session, presence: Stanza, owner: NodeRef | undefined): boolean {
    const { from, type } = presence
    if (from === undefined || from.isBare || (type !== '' && type !== 'unavailable')) return true
    if (owner !== undefined && this.#isOver(owner)) return false
    return type === '' ? this.#available(device, from, owner) : this.#unavailable(device, from, owner)
  }

  /** A device is gone, or shows nothing any more. */
  forget(device: Session): void {
    this.#byDevice.delete(device)
  }

  /** That life and all earlier ones of the name are over: each device that saw a device there as available is told. */
  lost(node: NodeRef): void {
    if (!this.#isOver(node)) this.#over.set(node.name, node)
    for (const [device, seen] of this.#byDevice) {
      for (const [text, { jid, owner }] of seen) {
        if (!isOver(owner, node)) continue
        seen.delete(text)
        void device.deliver(Stanza.of({ kind: 'presence', type: 'unavailable', from: jid }), device.jid)
      }
    }
  }

  get size(): number {
    return [...this.#byDevice.values()].reduce((sum, seen) => sum + seen.size, 0)
  }

  #isOver(node: NodeRef): boolean {
    const ended = this.#over.get(node.name)
    return ended !== undefined && isOver(node, ended)
  }

  #available(device: Session, from: Jid, owner: NodeRef | undefined): boolean {
    const seen = this.#byDevice.get(device)
    const text = from.toString()
    const before = seen?.get(text)?.owner
    if (before !== undefined && owner?.name === before.name && owner.incarnation < before.incarnation) return false
    if (owner === undefined) seen?.delete(text)
    else if (seen === undefined) this.#byDevice.set(device, new Map([[text, { jid: from, owner }]]))
    else seen.set(text, { jid: from, owner })
    return true
  }

  #unavailable(device: Session, from: Jid, owner: NodeRef | undefined): boolean {
    const seen = this.#byDevice.get(device)
    const before = seen?.get(from.toString())?.owner
    if (before === undefined) return true
    if (owner?.name !== before.name || owner.incarnation !== before.incarnation) return false
    seen?.delete(from.toString())
    return true
  }
}

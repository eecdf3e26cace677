/** Guests (XEP-0175 §2.2): nobody knows who they are, so they stay among the domains of this server. */
import { flag, plugin, type Context, type Guard } from '../pipeline/api.js'
import { StanzaError } from '../xmpp/errors.js'
import { isGuest } from '../xmpp/guest.js'
import type { Stanza } from '../xmpp/stanza.js'

const config = {
  abroad: flag('abroad', false, 'Guests may write to other servers too, in the name of this one.')
}

const stay: Guard = ({ to }: Stanza, ctx: Context): void => {
  if (to === undefined || !isGuest(ctx.account) || ctx.server.domains.includes(to.domain) || ctx.settings(config).abroad) return
  throw new StanzaError('cancel', 'not-allowed', 'Guests write to nobody outside')
}

export default plugin({
  id: 'anonymous',
  xep: { number: 175, version: '1.2', title: 'Best Practices for Use of SASL ANONYMOUS', note: 'where --virt-hosts says :anon' },
  config,
  message: { leaving: { guard: stay } },
  presence: { leaving: { guard: stay } },
  iqPassing: { leaving: stay }
})

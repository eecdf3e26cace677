/**
 * How many others one account may write to in a minute, and how many it may ask to see (XEP-0205 §4.6): who knows many has
 * known them for a while, who has just come and writes to many is no friend. Owns the counts of each account on this node.
 */
import { accountCache, integer, plugin, type Context } from '../pipeline/api.js'
import { StanzaError } from '../xmpp/errors.js'
import type { Stanza } from '../xmpp/stanza.js'

const config = {
  recipients: integer('recipients-per-minute', 300, 0, 1_000_000, 'Others that one account may write to in a minute; 0 for no limit.'),
  recipientsNew: integer('recipients-per-minute-new', 30, 0, 1_000_000, 'The same for an account younger than a day, and for guests.'),
  subscriptions: integer('subscriptions-per-minute', 20, 0, 1_000_000, 'Subscription requests of one account in a minute; 0 for no limit.')
}

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

interface Minute {
  /** Milliseconds since 1970; Infinity for whoever has no account. */
  readonly createdAt: number
  since: number
  /** Bare addresses; no more than the limit. */
  readonly recipients: Set<string>
  subscriptions: number
  told: boolean
}

const minutes = accountCache<Minute>('abuse', async (store, { jid }) => {
  const createdAt = (await store.accounts.find(jid))?.createdAt ?? Infinity
  return { createdAt, since: -Infinity, recipients: new Set(), subscriptions: 0, told: false }
})

function guard(stanza: Stanza, ctx: Context): void | Promise<void> {
  const { to, type } = stanza
  if (to === undefined || to.local === '' || type === 'error' || type === 'result' || to.sameBare(ctx.account.jid)) return
  const minute = ctx.read(minutes)
  return minute instanceof Promise ? minute.then((loaded) => count(loaded, stanza, ctx)) : count(minute, stanza, ctx)
}

function count(minute: Minute, { to, type, kind }: Stanza, ctx: Context): void {
  const { recipients, recipientsNew, subscriptions } = ctx.settings(config)
  const bare = to?.bare.toString() ?? ''
  const now = ctx.clock.now()
  if (now - minute.since >= MINUTE_MS) begin(minute, now)
  if (kind === 'presence' && type === 'subscribe' && ++minute.subscriptions > subscriptions && subscriptions > 0) {
    refuse(minute, ctx, `No more than ${subscriptions} subscription requests a minute`)
  }
  if (minute.recipients.has(bare)) return
  const most = ctx.clock.wall() - minute.createdAt < DAY_MS ? recipientsNew : recipients
  if (most === 0 || minute.recipients.size < most) minute.recipients.add(bare)
  else refuse(minute, ctx, `No more than ${most} others a minute`)
}

function begin(minute: Minute, now: number): void {
  minute.since = now
  minute.recipients.clear()
  minute.subscriptions = 0
  minute.told = false
}

function refuse(minute: Minute, { account, device, server, log }: Context, why: string): void {
  const ip = device?.address ?? ''
  if (server.exempt(ip) || server.admins.some((admin) => admin.equals(account.jid))) return
  if (!minute.told) log.info({ account: account.jid.toString(), ip, why }, 'stanzas.too-many')
  minute.told = true
  throw new StanzaError('wait', 'policy-violation', why, { name: 'too-many-stanzas', ns: 'urn:xmpp:errors' })
}

export default plugin({
  id: 'abuse',                                                  // before all others: what is refused changes nothing
  xep: { number: 205, version: '1.1.0', title: 'Best Practices to Discourage Denial of Service Attacks' },
  config,
  message: { leaving: { guard } },
  presence: { leaving: { guard } },
  iqPassing: { leaving: guard }
})

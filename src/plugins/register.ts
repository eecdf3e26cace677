/**
 * In-band registration (XEP-0077) for those who have an account: they change their password, or remove the account once
 * they have shown again that it is theirs. Accounts are made before login, where nothing of plugins is asked: `stream/`.
 */
import {
  flag, get, plugin, reply, set, slot, type Context, type Delivery, type Device, type IqRequest, type Reply
} from '../pipeline/api.js'
import { type Element, elementsOf, xml } from '../xml/element.js'
import { StanzaError } from '../xmpp/errors.js'
import { prepareLocal, type Jid } from '../xmpp/jid.js'
import { preparePassword } from '../xmpp/saslprep.js'
import { cancellations, rosterCache } from './roster.js'

const NS = 'jabber:iq:register'
const NS_FORM = 'jabber:x:data'
const CANCEL = 'jabber:iq:register:cancel'
/** Each costs a hash and may be a guess; five a minute are enough for fingers. */
const TRIES_MAX = 5
const TRIES_MS = 60_000

const config = {
  password: flag('password-change', true, 'People may change their password.'),
  withoutTls: flag('password-change-without-tls', true, 'Also on streams without TLS, where a domain does not require it.'),
  removal: flag('account-removal', true, 'People may remove their account; they must send the password again.')
}

const tries = slot('register-tries', { since: 0, count: 0 })

/** Another try of this device. */
function checkPace(device: Device | undefined, now: number): void {
  const { since, count } = device?.get(tries) ?? { since: now, count: 0 }
  const fresh = now - since >= TRIES_MS
  if (!fresh && count >= TRIES_MAX) throw new StanzaError('wait', 'policy-violation', 'Try again in a minute')
  device?.set(tries, { since: fresh ? now : since, count: fresh ? 1 : count + 1 })
}

/** §3.1: what is on file. */
const registered = (_: IqRequest, { account }: Context): Element =>
  xml('query', { xmlns: NS }, xml('registered'), xml('username', {}, account.jid.local), xml('password'))

async function change(request: IqRequest, ctx: Context): Promise<Reply> {
  const { payload } = request
  const form = payload.getChild('x', NS_FORM)
  if (form !== undefined) return removeBy(form, ctx)
  if (payload.getChild('remove') === undefined) return changePassword(payload, ctx)
  if (elementsOf(payload).length > 1) throw new StanzaError('modify', 'bad-request', 'Removal stands alone') // §3.2
  if (!ctx.settings(config).removal) throw new StanzaError('cancel', 'not-allowed')
  throw new StanzaError('cancel', 'not-allowed', 'Fill in the form').with(cancelForm())
}

/** §3.3. */
async function changePassword(payload: Element, ctx: Context): Promise<Reply> {
  const { account, device, server } = ctx
  const settings = ctx.settings(config)
  if (!settings.password) throw new StanzaError('cancel', 'not-allowed')
  const username = payload.getChildText('username') ?? ''
  const password = payload.getChildText('password') ?? ''
  if (username === '' || preparePassword(password) === undefined) {
    throw new StanzaError('modify', 'bad-request', 'Your name and a password that can be one')
  }
  if (!names(username, account.jid)) throw new StanzaError('auth', 'forbidden', 'That is not you')
  const safe = device?.secure === true || (settings.withoutTls && !server.tlsRequired(account.jid.domain))
  if (!safe) throw new StanzaError('auth', 'not-authorized', 'Only over TLS')
  checkPace(device, ctx.clock.now())
  await server.setPassword(account, password, device?.jid)
  return reply(undefined)
}

function names(username: string, own: Jid): boolean {
  const local = username.endsWith(`@${own.domain}`) ? username.slice(0, -own.domain.length - 1) : username
  try {
    return prepareLocal(local) === own.local
  } catch {
    return false
  }
}

/** §3.2. Contacts hear of the end before the answer ends the session. */
async function removeBy(form: Element, ctx: Context): Promise<Reply> {
  if (!ctx.settings(config).removal) throw new StanzaError('cancel', 'not-allowed')
  const field = (name: string): string => form.getChildByAttr('var', name)?.getChildText('value') ?? ''
  if (field('FORM_TYPE') !== CANCEL || !names(field('username'), ctx.account.jid)) {
    throw new StanzaError('modify', 'bad-request', 'Your name and your password')
  }
  checkPace(ctx.device, ctx.clock.now())
  if (!await ctx.server.checkPassword(ctx.account, field('password'))) throw new StanzaError('auth', 'forbidden', 'A wrong password')
  const { items } = await ctx.read(rosterCache)
  const farewells = [...items.values()].flatMap((item): readonly Delivery[] => cancellations(ctx.account.jid, item))
  await ctx.server.removeAccount(ctx.account)
  return reply(undefined, ...farewells)
}

function cancelForm(): Element {
  const field = (name: string, type: string, label: string): Element => xml('field', { type, label, var: name }, xml('required'))
  return xml('query', { xmlns: NS }, xml('x', { xmlns: NS_FORM, type: 'form' },
    xml('title', {}, 'Remove the account'),
    xml('instructions', {}, 'The account is removed for good, with everything that belongs to it.'),
    xml('field', { type: 'hidden', var: 'FORM_TYPE' }, xml('value', {}, CANCEL)),
    field('username', 'text-single', 'Name'), field('password', 'text-private', 'Password')))
}

const own = [get(NS, 'query', registered), set(NS, 'query', change)]

export default plugin({
  id: NS,
  xep: {
    number: 77, version: '2.4', title: 'In-Band Registration',
    note: 'password change, account removal; registration before login where --vhost-register-enabled says so'
  },
  config,
  disco: { host: [NS] },
  iq: { self: own, host: own }
})

/** M: stream management of two connections and two nodes, XEP-0198; what a connection leaves that ends without a word. */
import { afterAll, beforeAll, expect } from '@jest/globals'
import type { Element } from 'ltx'
import type { Form } from './corpus/row.js'
import { eventually, noFaultOfOurs, replied } from './runner.js'
import { SE } from './corpus/row.js'
import { ask, authenticate, bindAndShow, enable, framed, greet, NS_SM, Stage, type Hostile } from './stage.js'
import { Tally } from './tally.js'
import { openWire, type Wire } from './wire.js'

const MANAGED: readonly Form[] = ['tcp', 'tls', 'websocket']
const STANZAS = 'urn:ietf:params:xml:ns:xmpp-stanzas'
const tally = new Tally('resuming')
let stage: Stage
beforeAll(async () => { stage = await Stage.set({ lines: ['--sm-resume-seconds=60'] }) }, 60_000)
afterAll(() => stage.clear())

const row = (name: string, forms: readonly Form[], run: (form: Form) => Promise<void>): void => {
  for (const form of forms) {
    tally.test(`${name} over ${form}`, form, async () => {
      const lines = stage.mark()
      await run(form)
      await stage.others()
      await stage.deliveredToBob()
      noFaultOfOurs(lines())
    })
  }
}

const say = (wire: Wire, text: string): void => wire.send(Buffer.from(text))
let resources = 0

interface Managed extends Hostile {
  readonly id: string
  readonly enabled: Element
}

async function managed(form: Form, more?: string, user = 'alice'): Promise<Managed> {
  const { wire } = await stage.reach(form, 'AUTH', user)
  const jid = await bindAndShow(wire, `m${++resources}`)
  const enabled = await enable(wire, more)
  return { wire, jid, enabled, id: String(enabled.attrs['id']) }
}

async function resume(wire: Wire, previd: string, h = 0): Promise<Element> {
  say(wire, `<resume xmlns='${NS_SM}' previd='${previd}' h='${h}'/>`)
  return wire.inbox.next((e) => e.getNS() === NS_SM && (e.is('resumed') || e.is('failed')), 'an answer')
}

async function loggedIn(form: Form, user = 'alice', node = 0): Promise<Wire> {
  const wire = await openWire(form, stage.cluster.node(node).ports)
  await greet(wire)
  await authenticate(wire, user)
  await greet(wire)
  return wire
}

const conditionOf = (failed: Element): unknown => failed.getChildElements().map((e) => [e.name, e.getNS()])

/** Until the server has acknowledged so many. */
async function acknowledged(wire: Wire, h: number): Promise<void> {
  say(wire, `<r xmlns='${NS_SM}'/>`)
  await wire.inbox.next((e) => e.is('a', NS_SM) && Number(e.attrs['h']) >= h, `h ${h}`)
}

const message = (wire: Wire, to: string, text: string): string => `<message${framed(wire)} type='chat' to='${to}'><body>${text}</body></message>`

row('M03 more is acknowledged than was sent: handled-count-too-high (XEP-0198 §6)', MANAGED, async (form) => {
  const { wire, jid } = await managed(form)
  await ask(wire, 'get', "<ping xmlns='urn:xmpp:ping'/>")
  say(wire, `<a xmlns='${NS_SM}' h='1000'/>`)
  await wire.inbox.over()
  const [error] = wire.inbox.errors
  expect(error?.getChildElements().filter((e) => e.name !== 'text').map((e) => e.name)).toEqual(['undefined-condition', 'handled-count-too-high'])
  expect(error?.getChild('handled-count-too-high', NS_SM)?.attrs).toMatchObject({ h: '1000', 'send-count': '1' })
  expect(jid).not.toBe('')
})

row('M05 a count lower than one before is nothing (XEP-0198 §4; ours)', MANAGED, async (form) => {
  const { wire, jid } = await managed(form)
  for (let n = 0; n < 3; n++) await ask(wire, 'get', "<ping xmlns='urn:xmpp:ping'/>")
  for (const h of [3, 1]) say(wire, `<a xmlns='${NS_SM}' h='${h}'/>`)
  await ask(wire, 'get', "<ping xmlns='urn:xmpp:ping'/>")
  expect([wire.inbox.ending, jid.length > 0]).toEqual([undefined, true])
  wire.close()
  await wire.inbox.over()
})

row('M08 somebody else\'s session: the same bytes as for none (XEP-0198 §5, §10; ours)', MANAGED, async (form) => {
  const victim = await managed(form)
  const thief = await loggedIn(form, 'bob')
  const from = thief.inbox.text.length
  const stolen = await resume(thief, victim.id)
  const first = thief.inbox.text.slice(from)
  expect(conditionOf(stolen)).toEqual([['item-not-found', STANZAS]])
  const there = thief.inbox.text.length
  await resume(thief, 'nobody has it')
  expect(thief.inbox.text.slice(there)).toBe(first)
  await ask(victim.wire, 'get', "<ping xmlns='urn:xmpp:ping'/>")
  for (const wire of [thief, victim.wire]) {
    wire.close()
    await wire.inbox.over()
  }
})

row('M13 resuming with a count above all that was sent: handled-count-too-high (XEP-0198 §5, §6)', MANAGED, async (form) => {
  const { wire, id } = await managed(form)
  wire.cut()
  const again = await loggedIn(form)
  say(again, `<resume xmlns='${NS_SM}' previd='${id}' h='1000'/>`)
  await again.inbox.over()
  expect(again.inbox.errors.map((e) => e.getChildElements().filter((c) => c.name !== 'text').map((c) => c.name)))
    .toEqual([['undefined-condition', 'handled-count-too-high']])
})

row('M15 a longer time than there is (XEP-0198 §3; ours)', MANAGED, async (form) => {
  const { wire, enabled } = await managed(form, " resume='true' max='999999999'")
  expect(enabled.attrs['max']).toBe('60')
  wire.close()
  await wire.inbox.over()
})

row('M14 a session that is over: item-not-found with the last count (XEP-0198 §5; ours: the count)', MANAGED, async (form) => {
  const { wire, id } = await managed(form, " resume='true' max='1'")
  say(wire, message(wire, stage.bob.jid, 'counted'))
  await acknowledged(wire, 1)
  wire.cut()
  const again = await loggedIn(form)
  let failed: Element | undefined
  for (let tries = 0; tries < 8 && failed === undefined; tries++) {
    await new Promise((done) => { setTimeout(done, 1_500) })
    const asked = await resume(again, tries < 1 ? 'not yet' : id, 0)
    if (tries >= 1) failed = asked
  }
  expect([failed?.name, failed?.attrs['h'], conditionOf(failed as Element)]).toEqual(['failed', '1', [['item-not-found', STANZAS]]])
  await bindAndShow(again, 'after')
  again.close()
  await again.inbox.over()
})

row('M12 one session resumed on two connections at once: one of them lives, nothing is lost or doubled (XEP-0198 §5)', MANAGED,
  async (form) => {
  const { wire, id, jid } = await managed(form)
  const wires = await Promise.all([loggedIn(form), loggedIn(form)])
  wire.cut()
  for (const text of ['one', 'two', 'three']) stage.bob.write(`<message type='chat' to='${jid}'><body>${text}</body></message>`)
  await stage.bob.ping()
  for (const one of wires) say(one, `<resume xmlns='${NS_SM}' previd='${id}' h='0'/>`)
  await eventually(() => wires.some((one) => one.inbox.ending !== undefined || one.inbox.elements.some((e) => e.is('failed'))), () =>
    wires.map((one) => one.inbox.text).join('\n'))
  const living = wires.find((one) => one.inbox.ending === undefined && !one.inbox.elements.some((e) => e.is('failed')))
  if (living === undefined) throw new Error('none lives')
  await living.inbox.next((e) => e.is('resumed'), 'resumed')
  await ask(living, 'get', "<ping xmlns='urn:xmpp:ping'/>")
  const bodies = living.inbox.elements.filter((e) => e.is('message')).map((e) => e.getChildText('body'))
  expect(bodies).toEqual(['one', 'two', 'three'])
  const other = wires.find((one) => one !== living)
  if (other?.inbox.ending !== undefined) await replied(SE('conflict'), { wire: Object.assign(other, {}), jid }).catch(() => undefined)
  expect(other?.inbox.errors.map((e) => e.getChildElements()[0]?.name) ?? []).toEqual(other?.inbox.ending === undefined ? [] : ['conflict'])
  for (const one of wires) one.cut()
})

row('M12 at two nodes: a session is resumed where it is, once (XEP-0198 §5)', ['tcp'], async (form) => {
  const { wire, id } = await managed(form)
  const [here, there] = await Promise.all([loggedIn(form), loggedIn(form, 'alice', 1)])
  wire.cut()
  const answers = await Promise.all([resume(here, id), resume(there, id)])
  expect(answers.map((e) => e.name)).toEqual(['resumed', 'failed'])
  for (const one of [here, there]) one.cut()
})

for (const second of ['tcp', 'websocket'] as const) {
  row(`${second === 'tcp' ? 'S28' : 'W21'} cut without a word: nobody sees it go, and it comes back over ${second} (XEP-0198 §7; RFC 7395 §3.6)`,
    second === 'tcp' ? ['tcp', 'tls'] : ['websocket', 'tcp'], async (form) => {
    const { wire, id, jid } = await managed(form)
    wire.cut()
    stage.bob.write(`<message type='chat' to='${jid}'><body>meanwhile</body></message>`)
    await stage.bob.ping()
    const again = await loggedIn(second)
    const answer = await resume(again, id)
    expect([answer.name, answer.attrs['previd']]).toEqual(['resumed', id])
    expect((await again.inbox.next((e) => e.is('message'), 'the message')).getChildText('body')).toBe('meanwhile')
    await ask(again, 'get', "<ping xmlns='urn:xmpp:ping'/>")
    again.close()
    await again.inbox.over()
  })
}

row('S27 closed with a word: there is nothing to come back to (XEP-0198 §7)', MANAGED, async (form) => {
  const { wire, id } = await managed(form)
  wire.close()
  await wire.inbox.over()
  const again = await loggedIn(form)
  expect(conditionOf(await resume(again, id))).toEqual([['item-not-found', STANZAS]])
  again.close()
  await again.inbox.over()
})

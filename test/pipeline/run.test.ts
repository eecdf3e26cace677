/** The plugin engine: phases, doors, what is thrown; architecture, section 4. */
import { describe, expect, test } from '@jest/globals'
import { DROP, drop, get, plugin, reply, send, set, type PluginDeclaration } from '../../src/pipeline/api.js'
import { compile, PipelineError } from '../../src/pipeline/compile.js'
import { explain } from '../../src/pipeline/explain.js'
import { StorageError } from '../../src/storage/store.js'
import { xml } from '../../src/xml/element.js'
import { StanzaError } from '../../src/xmpp/errors.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { Stanza } from '../../src/xmpp/stanza.js'
import { Rig } from '../router/rig.js'
import type { FakeSession } from '../router/fake-session.js'

const NURSE = parseJid('nurse@im.test')
const note = (text: string): ReturnType<typeof send> =>
  send(Stanza.of({ kind: 'message', to: NURSE, from: parseJid('im.test') }, xml('body', {}, text)) as Stanza & { to: typeof NURSE })

interface Stage {
  readonly rig: Rig
  readonly romeo: FakeSession
  readonly juliet: FakeSession
  readonly nurse: FakeSession
}

async function stage(...plugins: readonly PluginDeclaration[]): Promise<Stage> {
  const rig = new Rig({ plugins })
  for (const jid of ['romeo@im.test', 'juliet@im.test', 'nurse@im.test']) rig.store.add(parseJid(jid))
  const [romeo, juliet, nurse] = [
    await rig.binds('romeo@im.test/x'), await rig.binds('juliet@im.test/y', '<presence/>'),
    await rig.binds('nurse@im.test/z', '<presence/>')
  ]
  for (const session of [romeo, juliet, nurse]) session.got()
  await rig.services.caches.findAccount(romeo.jid)
  return { rig, romeo, juliet, nurse }
}

const HI = "<message to='juliet@im.test'><body>hi</body></message>"

describe('phases', () => {
  test('guard, shape, keep, copy in this order in each half, leaving before arriving, synchronously', async () => {
    const seen: string[] = []
    const half = (name: string): NonNullable<NonNullable<PluginDeclaration['message']>['leaving']> => ({
      copy: () => void seen.push(`${name} copy`), keep: () => void seen.push(`${name} keep`),
      guard: () => void seen.push(`${name} guard`), shape: () => void seen.push(`${name} shape`)
    })
    const { rig, romeo, juliet } = await stage(plugin({
      id: 'x', message: { arriving: half('arriving'), leaving: half('leaving'), delivering: () => void seen.push('delivering') }
    }))
    expect(rig.writes(romeo, HI)).toBeUndefined()
    expect(seen).toEqual([
      'leaving guard', 'leaving shape', 'leaving keep', 'leaving copy',
      'arriving guard', 'arriving shape', 'arriving keep', 'arriving copy', 'delivering'
    ])
    expect(juliet.got()).toHaveLength(1)
    expect(romeo.h).toBe(1)
  })

  test('plugins of one phase run by id, and after those that they name', () => {
    const guard = (): void => undefined
    const made = compile([
      plugin({ id: 'b', message: { leaving: { guard } } }), plugin({ id: 'a', after: ['z'], message: { leaving: { guard } } }),
      plugin({ id: 'c', aliases: ['z'], message: { leaving: { guard } } })
    ])
    expect(made.message.leaving?.map((step) => step.plugin)).toEqual(['c', 'a', 'b'])
    expect(made.presence.leaving).toBeNull()
  })

  test('shape replaces the stanza for all that follow; a handler that waits makes the rest wait', async () => {
    const { rig, romeo, juliet } = await stage(
      plugin({ id: 'a', message: { leaving: { shape: async (s) => s.withChildren([...s.elements(), xml('a', { xmlns: 'urn:x' })]) } } }),
      plugin({ id: 'b', message: { leaving: { shape: (s) => s.withChildren([...s.elements(), xml('b', { xmlns: 'urn:x' })]) } } }))
    await rig.writes(romeo, HI)
    expect(juliet.got()).toEqual(["message romeo@im.test/x > juliet@im.test <body>hi</body><a xmlns='urn:x'/><b xmlns='urn:x'/>"])
  })

  test('copies follow the stanza itself; DROP ends its way without an error, `instead` is sent', async () => {
    const { rig, romeo, juliet, nurse } = await stage(plugin({
      id: 'a',
      message: {
        leaving: { copy: () => [send(HIM)] },
        arriving: { guard: (s) => (s.to?.equals(NURSE) === true ? undefined : drop(note('dropped'))) }
      }
    }))
    await rig.writes(romeo, HI)
    expect([juliet.got(), romeo.got()]).toEqual([[], []])
    expect(nurse.got()).toEqual([
      'message im.test > nurse@im.test <body>dropped</body>', 'message romeo@im.test/x > nurse@im.test <body>copy</body>'
    ])
  })
  const HIM = Stanza.of({ kind: 'message', to: NURSE, from: parseJid('romeo@im.test/x') }, xml('body', {}, 'copy')) as
    Stanza & { to: typeof NURSE }

  test('delivering sees each device and may reshape or drop for it alone', async () => {
    const { rig, romeo, juliet } = await stage(plugin({
      id: 'a', message: { delivering: (s, device) => (device.priority === 5 ? DROP : s.with({ id: device.jid.resource })) }
    }))
    const other = await rig.binds('juliet@im.test/other', '<presence><priority>5</priority></presence>')
    juliet.got()
    other.got()
    await rig.writes(romeo, HI)
    expect([juliet.stanzas().map((s) => s.id), other.got(), romeo.got()]).toEqual([['y'], [], []])
  })
})

describe('what handlers throw', () => {
  const refusing = (thrown: Error, async = false): PluginDeclaration => plugin({
    id: 'a',
    message: {
      leaving: {
        guard: () => {
          if (async) return Promise.reject(thrown)
          throw thrown
        }
      }
    }
  })

  test.each([[false], [true]])('a StanzaError becomes the reply (waiting: %p)', async (async) => {
    const { rig, romeo, juliet } = await stage(refusing(new StanzaError('auth', 'forbidden', 'no'), async))
    await rig.writes(romeo, "<message id='1' to='juliet@im.test'/>")
    expect(romeo.stanzas().map((s) => [s.type, s.id, s.from?.toString(), s.has('error', 'jabber:client')])).toEqual(
      [['error', '1', 'juliet@im.test', true]])
    expect([juliet.got(), rig.faults, romeo.h]).toEqual([[], [], 1])
  })

  test('a failure of the store becomes wait and resource-constraint, in any handler', async () => {
    const { rig, romeo } = await stage(refusing(new StorageError('gone', 'away'), true))
    await rig.writes(romeo, HI)
    expect(romeo.got().join()).toMatch(/type='wait'><resource-constraint/)
    expect(rig.faults).toEqual([])
  })

  test('anything else is our bug: logged once with the stanza\'s reference, answered internal-server-error', async () => {
    const { rig, romeo } = await stage(refusing(new TypeError('oops')))
    await rig.writes(romeo, HI)
    expect(romeo.got().join()).toMatch(/internal-server-error/)
    expect(rig.faults).toMatchObject([{ event: 'plugin.failed', plugin: 'a', key: `${romeo.session}:1:0` }])
    expect(romeo.h).toBe(1)
  })

  test('delivering that fails does not take the stanza from the device', async () => {
    const { rig, romeo, juliet } = await stage(plugin({
      id: 'a',
      message: {
        delivering: () => {
          throw new TypeError('oops')
        }
      }
    }))
    await rig.writes(romeo, HI)
    expect([juliet.got().length, rig.faults.length]).toEqual([1, 1])
  })
})

describe('doors', () => {
  const says = (door: string): ReturnType<typeof get> =>
    get('urn:d', 'q', (_r, ctx) => xml(door, { xmlns: 'urn:d', of: ctx.account.jid.local }))
  const q = (to: string, name = 'q', type = 'get', id = " id='1'"): string =>
    `<iq${id} type='${type}'${to === '' ? '' : ` to='${to}'`}><${name} xmlns='urn:d'/></iq>`
  const all = plugin({ id: 'a', iq: { self: [says('self')], account: [says('account')], host: [says('host')] } })

  test.each([
    ['', "self of='romeo'"], ['romeo@im.test', "self of='romeo'"], ['juliet@im.test', "account of='juliet'"], ['im.test', "host of='romeo'"]
  ])(
    'an IQ to "%s" is answered by %s', async (to, answer) => {
      const { rig, romeo } = await stage(all)
      await rig.writes(romeo, q(to))
      const [line] = romeo.got().map((l) => l.replace(" xmlns='urn:d'", ''))
      expect(line).toBe(`iq result ${to === '' ? '-' : to} > romeo@im.test/x <${answer}/>`)
    })

  test('without `to`: self, then account, then host', async () => {
    const { rig, romeo } = await stage(
      plugin({ id: 'a', iq: { host: [says('host')] } }), plugin({ id: 'b', iq: { account: [set('urn:d', 'q', () => undefined)] } }))
    await rig.writes(romeo, q(''))
    await rig.writes(romeo, q('', 'q', 'set'))
    expect(romeo.got()).toEqual(["iq result - > romeo@im.test/x <host xmlns='urn:d' of='romeo'/>", 'iq result - > romeo@im.test/x'])
  })

  test('Q04: nobody answers: service-unavailable, the same for all addresses', async () => {
    const { rig, romeo } = await stage(all)
    for (const to of ['im.test', 'romeo@im.test', '', 'juliet@im.test', 'nobody@im.test', 'juliet@im.test/gone', 'im.test/x']) {
      await rig.writes(romeo, q(to, 'unknown'))
    }
    const answers = romeo.stanzas().map((s) => [s.type, s.id, s.inside.toString()])
    expect(answers).toHaveLength(7)
    expect(new Set(answers.map(String)).size).toBe(1)
    expect(answers[0]?.[2]).toMatch(/type='cancel'><service-unavailable/)
  })

  test('Q01, Q02, Q03: an IQ without id, without a type that exists, or with other than one child is a bad request', async () => {
    const { rig, romeo } = await stage(all)
    const bad = [
      q('im.test', 'q', 'get', ''), q('juliet@im.test/y', 'q', 'foo'), "<iq id='1' to='juliet@im.test'><q xmlns='urn:d'/></iq>",
      "<iq id='1' type='get' to='im.test'/>", "<iq id='1' type='set' to='juliet@im.test/y'><a xmlns='urn:d'/><b xmlns='urn:d'/></iq>"
    ]
    for (const xmlText of bad) await rig.writes(romeo, xmlText)
    const answers = romeo.stanzas()
    expect(answers.map((s) => [s.type, s.id])).toEqual([['error', ''], ...bad.slice(1).map(() => ['error', '1'])])
    for (const answer of answers) expect(answer.inside.toString()).toMatch(/type='modify'><bad-request/)
    expect(romeo.h).toBe(bad.length)
  })

  test('Q05, Q06: results and errors that nobody waits for end here', async () => {
    const { rig, romeo } = await stage(all)
    for (const type of ['result', 'error']) {
      for (const to of ['', 'im.test', 'romeo@im.test', 'juliet@im.test', 'nobody@im.test', 'juliet@im.test/gone']) {
        await rig.writes(romeo, q(to, 'q', type))
      }
    }
    expect(romeo.got()).toEqual([])
    expect(romeo.h).toBe(12)
  })

  test('deliveries of a Reply follow the result', async () => {
    const after = set('urn:d', 'q', async () => reply(undefined, note('after')))
    const { rig, romeo, nurse } = await stage(plugin({ id: 'a', iq: { self: [after] } }))
    await rig.writes(romeo, q('', 'q', 'set'))
    expect([romeo.got(), nurse.got()]).toEqual([['iq result - > romeo@im.test/x'], ['message im.test > nurse@im.test <body>after</body>']])
  })

  test('guards for IQs between users: the sender\'s first, then the receiver\'s, also before its bare JID\'s door', async () => {
    const seen: string[] = []
    const { rig, romeo, juliet } = await stage(all, plugin({
      id: 'b',
      iqPassing: {
        leaving: (s, ctx) => void seen.push(`leaving ${ctx.account.jid.local} ${s.type}`),
        arriving: (s, ctx) => {
          seen.push(`arriving ${ctx.account.jid.local} ${s.type}`)
          if (s.to?.resource === 'y') throw new StanzaError('cancel', 'service-unavailable')
        }
      }
    }))
    for (const to of ['juliet@im.test', 'romeo@im.test', 'im.test']) await rig.writes(romeo, q(to))
    expect(seen.splice(0)).toEqual(['leaving romeo get', 'arriving juliet get'])
    romeo.got()
    await rig.writes(romeo, q('juliet@im.test/y'))
    await rig.writes(romeo, "<iq id='1' type='result' to='juliet@im.test/y'/>")
    expect(seen).toEqual(['leaving romeo get', 'arriving juliet get', 'leaving romeo result', 'arriving juliet result'])
    expect([juliet.got(), romeo.got().length]).toEqual([[], 1])
  })
})

describe('the stanzas of a client', () => {
  test('T08, T09: types and priorities of presence that mean nothing are bad requests', async () => {
    const { rig, romeo } = await stage()
    for (const inside of ['200', 'abc', '1</priority><priority>2']) {
      await rig.writes(romeo, `<presence><priority>${inside}</priority></presence>`)
    }
    await rig.writes(romeo, "<presence type='foo' to='juliet@im.test'/>")
    const answers = romeo.got()
    expect(answers).toHaveLength(4)
    for (const line of answers) expect(line).toMatch(/^presence error .*type='modify'><bad-request/)
    expect(romeo.priority).toBeUndefined()
  })

  test('T01: a malformed address is answered from our domain, unless the stanza is an error or a result', async () => {
    const { rig, romeo } = await stage()
    const { handler } = rig.router
    handler.malformed(romeo, 'message', '1', 'chat', 'a@b@c')
    handler.malformed(romeo, 'message', '1', 'error', 'a@b@c')
    handler.malformed(romeo, 'iq', '1', 'result', 'a@b@c')
    expect(romeo.got()).toEqual([expect.stringMatching(/^message error im.test > romeo@im.test\/x <error type='modify'><jid-malformed/)])
  })

  test('T15, T24: messages to our own domain and to domains that are not ours are answered', async () => {
    const { rig, romeo } = await stage()
    await rig.writes(romeo, "<message to='im.test'><body>hi</body></message>")
    await rig.writes(romeo, "<message to='x@elsewhere.test'><body>hi</body></message>")
    const [own, remote] = romeo.got()
    expect(own).toMatch(/service-unavailable/)
    expect(remote).toMatch(/remote-server-not-found/)
  })

  test('T13: a probe for a missing account is answered as for a stranger: unsubscribed from the bare JID', async () => {
    const { rig, romeo } = await stage()
    await rig.writes(romeo, "<presence type='probe' to='nobody@im.test'/>")
    expect(romeo.got()).toEqual(['presence unsubscribed nobody@im.test > romeo@im.test/x'])
  })
})

describe('boot', () => {
  const complaints = (...plugins: readonly PluginDeclaration[]): readonly string[] => {
    try {
      compile(plugins)
      return []
    } catch (error) {
      return error instanceof PipelineError ? error.complaints : [String(error)]
    }
  }

  test('is refused with all complaints at once', () => {
    const iq = { host: [get('urn:x', 'q', () => undefined)] }
    expect(complaints(
      plugin({ id: 'a', needs: ['b'], iq, audiences: { all: () => true } }), plugin({ id: 'c', iq, audiences: { all: () => true } }),
      plugin({ id: 'd', pushesTo: ['none'] }), plugin({ id: 'e', after: ['f'] }), plugin({ id: 'f', after: ['e'] })
    )).toEqual([
      'plugin a needs b, which is not there', 'plugins stand after each other in a circle: e after f after e',
      'a and c both answer get q urn:x at the door host', 'plugin c declares the audience "all", which has a meaning already',
      'plugin d pushes to the audience none, which nobody declares'
    ])
  })

  test('--explain prints who does what', () => {
    const text = explain(compile([plugin({
      id: 'a', xep: { number: 199, version: '1' }, disco: ['urn:x'], message: { leaving: { guard: () => undefined } },
      iq: { host: [get('urn:x', 'q', () => undefined)] }, life: { ended: () => undefined }, audiences: { all: () => true }
    })]))
    const lines = ['  a (XEP-0199)', '  leaving guard: a', '  arriving: nobody', '    get q urn:x: a', '  ended: a', '  all', '  urn:x']
    expect(text.split('\n')).toEqual(expect.arrayContaining(lines))
  })
})

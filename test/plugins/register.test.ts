import { beforeEach, describe, expect, test } from '@jest/globals'
import presence from '../../src/plugins/presence.js'
import register from '../../src/plugins/register.js'
import roster from '../../src/plugins/roster.js'
import subscription from '../../src/plugins/subscription.js'
import { pluginBench, short, type Bench, type BenchDevice } from './bench.js'

const NS = 'jabber:iq:register'
const query = (inside = ''): string => `<query xmlns='${NS}'>${inside}</query>`
const change = (user: string, password: string): string => query(`<username>${user}</username><password>${password}</password>`)
const field = (name: string, value: string): string => `<field var='${name}'><value>${value}</value></field>`
const cancel = (user: string, password: string): string => query("<x xmlns='jabber:x:data' type='submit'>" +
  `${field('FORM_TYPE', 'jabber:iq:register:cancel')}${field('username', user)}${field('password', password)}</x>`)
const plugins = [presence, register, roster, subscription]
let bench: Bench
let romeo: BenchDevice

async function start(settings?: object): Promise<void> {
  bench = await pluginBench(plugins, ['romeo@im.test', 'juliet@im.test'], settings === undefined ? {} : { settings: () => settings })
  bench.passwords.set('romeo@im.test', 'old')
  romeo = await bench.binds('romeo@im.test/orchard', '<presence/>')
}

beforeEach(() => start())
const password = (): string | undefined => bench.passwords.get('romeo@im.test')

describe('XEP-0077 §3.1: who has logged in', () => {
  test('has an account, whose password is not told', async () => {
    for (const to of ['', 'im.test']) {
      expect(await romeo.asks('get', to, query())).toBe(query('<registered/><username>romeo</username><password/>'))
    }
  })
})

describe('XEP-0077 §3.3: a password', () => {
  test.each([
    ['', 'romeo'], ['im.test', 'ROMEO'], ['romeo@im.test', 'romeo@im.test']
  ])('is changed by its owner (to "%s" as %s)', async (to, user) => {
    expect(await romeo.asks('set', to, change(user, 'new'))).toBe('')
    expect(password()).toBe('new')
  })

  test('Q33: is nobody else\'s, and does not come back in the error', async () => {
    await romeo.sends(`<iq type='set' id='q' to='im.test'>${change('juliet', 'hers')}</iq>`)
    const [error] = romeo.stanzas().slice(-1)
    expect(error === undefined ? '' : short(error)).toMatch(/error im\.test > romeo@im\.test\/orchard <error type='auth'><forbidden/)
    expect(error?.toString()).not.toContain('hers')
    expect(bench.passwords.has('juliet@im.test')).toBe(false)
  })

  test.each([
    ['an empty one', change('romeo', '')], ['none', query('<username>romeo</username>')],
    ['no name', query('<password>new</password>')], ['nothing', query()], ['a forbidden character', change('romeo', '\u{FFF9}')]
  ])('Q46: %s is refused and the old one stays', async (_what, payload) => {
    expect(await romeo.asks('set', '', payload)).toBe('modify/bad-request')
    expect(password()).toBe('old')
  })

  test('Q32: is not changed when that is off', async () => {
    await start({ password: false, removal: true, withoutTls: true })
    expect(await romeo.asks('set', '', change('romeo', 'new'))).toBe('cancel/not-allowed')
  })

  test('is not sent in the clear where TLS is required, nor when the operator says so', async () => {
    Object.assign(romeo.session, { secure: false })
    expect(await romeo.asks('set', '', change('romeo', 'new'))).toBe('auth/not-authorized')
    Object.assign(bench.server, { tlsRequired: () => false })
    expect(await romeo.asks('set', '', change('romeo', 'new'))).toBe('')
    await start({ password: true, removal: true, withoutTls: false })
    Object.assign(romeo.session, { secure: false })
    Object.assign(bench.server, { tlsRequired: () => false })
    expect(await romeo.asks('set', '', change('romeo', 'new'))).toBe('auth/not-authorized')
  })

  test('is changed five times a minute at most', async () => {
    for (let n = 1; n <= 5; n++) expect(await romeo.asks('set', '', change('romeo', `p${n}`))).toBe('')
    expect(await romeo.asks('set', '', change('romeo', 'p6'))).toBe('wait/policy-violation')
    expect(password()).toBe('p5')
    bench.now += 60_000
    expect(await romeo.asks('set', '', change('romeo', 'p7'))).toBe('')
  })
})

describe('XEP-0077 §3.2: removal', () => {
  test('asks for the password with a form', async () => {
    romeo.got()
    await romeo.sends(`<iq type='set' id='q'>${query('<remove/>')}</iq>`)
    const [answer = ''] = romeo.got()
    expect(answer).toMatch(/^iq error .*type='form'.*jabber:iq:register:cancel.*var='password'.*<error type='cancel'><not-allowed/)
    expect(await bench.store.accounts.find(romeo.jid)).toBeDefined()
  })

  test('happens with the right one, and contacts lose the account', async () => {
    const juliet = await bench.binds('juliet@im.test/balcony', '<presence/>')
    await juliet.sends("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    await juliet.sends("<presence to='romeo@im.test' type='subscribe'/>")
    await romeo.sends("<presence to='juliet@im.test' type='subscribed'/>")
    juliet.got()
    expect(await romeo.asks('set', '', cancel('romeo', 'wrong'))).toBe('auth/forbidden')
    expect(await romeo.asks('set', '', cancel('juliet', 'old'))).toBe('modify/bad-request')
    expect(await romeo.asks('set', '', cancel('romeo', 'old'))).toBe('')
    expect(await bench.store.accounts.find(romeo.jid)).toBeUndefined()
    expect(juliet.got().join('\n')).toContain('presence unsubscribed romeo@im.test > juliet@im.test')
  })

  test('stands alone, and is not done when it is off (Q32)', async () => {
    expect(await romeo.asks('set', '', query('<remove/><username>romeo</username>'))).toBe('modify/bad-request')
    await start({ password: true, removal: false, withoutTls: true })
    expect(await romeo.asks('set', '', query('<remove/>'))).toBe('cancel/not-allowed')
    expect(await romeo.asks('set', '', cancel('romeo', 'old'))).toBe('cancel/not-allowed')
  })

  test('guesses are counted', async () => {
    for (let n = 1; n <= 5; n++) expect(await romeo.asks('set', '', cancel('romeo', `p${n}`))).toBe('auth/forbidden')
    expect(await romeo.asks('set', '', cancel('romeo', 'old'))).toBe('wait/policy-violation')
  })
})

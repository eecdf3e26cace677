/** RFC 6121 §3, presence subscriptions, between devices on two nodes; once with a database server. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { TestClient } from '../support/client.js'
import type { StrategyName } from '../support/cluster.js'
import { clear, got, items, Scene, settled, type DatabaseName } from '../support/scene.js'

const CASES: [StrategyName, DatabaseName][] = [
  ['broadcast', 'sqlite'], ['online-users-caching', 'sqlite'], ['online-users-caching', 'postgresql']
]

describe.each(CASES)('RFC 6121 §3 on two nodes with %s on %s', (strategy, database) => {
  let scene: Scene

  beforeAll(async () => {
    scene = await Scene.of(strategy, database)
  }, 90_000)
  afterAll(() => scene.end())

  const say = (from: TestClient, type: string, to: string, inside = ''): void => {
    from.write(`<presence to='${to}' type='${type}'>${inside}</presence>`)
  }

  test('§3.1: from request to approval, every device of both hears its part in the order of the specification', async () => {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    const [orchard, tomb] = await scene.pair(romeo, 'orchard', 'tomb')
    const [balcony, chamber] = await scene.pair(juliet, 'balcony', 'chamber')
    orchard.write(`<presence id='s1' to='${juliet.jid}/balcony' type='subscribe'><status>It is I</status></presence>`)
    for (const device of [balcony, chamber]) await device.presence(romeo.jid, 'subscribe').then((e) => {
      expect(e.attrs).toMatchObject({ id: 's1', from: romeo.jid, to: juliet.jid })
      expect(e.getChildText('status')).toBe('It is I')
    })
    await settled(orchard, tomb)
    for (const device of [orchard, tomb]) expect(got(device)).toEqual(['push juliet none ask=subscribe'])
    expect(await items(balcony)).toEqual([])            // §3.1.3, security warning

    say(chamber, 'subscribed', romeo.jid)
    for (const device of [orchard, tomb]) {
      await device.presence(balcony.jid)
      await device.presence(chamber.jid)
    }
    await settled(chamber, balcony)
    for (const device of [orchard, tomb]) {
      expect(got(device)).toEqual(['presence subscribed juliet > romeo', 'push juliet to'])
    }
    for (const device of [balcony, chamber]) expect(got(device)).toEqual(['push romeo from'])
  })

  test('§3.1.3, rule 4: the first request waits whole, comes at each login on any node until it is answered, and once', async () => {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    const his = await scene.device(romeo, 0, 'orchard')
    say(his, 'subscribe', juliet.jid, `<status>It is I</status><nick xmlns='http://jabber.org/protocol/nick'>Romeo</nick>`)
    say(his, 'subscribe', juliet.jid, '<status>Again</status>')
    await settled(his)
    for (const node of [1, 0, 1]) {
      const hers = await scene.device(juliet, node, 'chamber', { keep: true })
      const request = await hers.presence(romeo.jid, 'subscribe')
      expect(request.getChildText('status')).toBe('It is I')
      expect(request.getChildText('nick', 'http://jabber.org/protocol/nick')).toBe('Romeo')
      expect(request.getChild('delay', 'urn:xmpp:delay')?.attrs['stamp']).toMatch(/^20\d\d-/)
      hers.write(`<presence><show>away</show></presence>`)          // not a new presence session
      await hers.next((e) => e.getChildText('show') === 'away')
      await settled(hers)
      expect(got(hers).filter((line) => line.includes('subscribe'))).toEqual([])
      expect(await items(hers)).toEqual([])
      await hers.close()
    }
    const late = await scene.device(juliet, 1, 'chamber', { keep: true })
    await late.presence(romeo.jid, 'subscribe')
    say(late, 'unsubscribed', romeo.jid)
    await his.presence(juliet.jid, 'unsubscribed')
    await late.close()
    const after = await scene.device(juliet, 0, 'chamber', { keep: true })
    await settled(after)
    expect(got(after).filter((line) => line.includes('subscribe'))).toEqual([])
    expect(await items(his)).toEqual(['juliet none'])
  })

  test('§3.1.3: a request that waits is withdrawn by "unsubscribe"', async () => {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    const his = await scene.device(romeo, 0, 'orchard')
    say(his, 'subscribe', juliet.jid)
    say(his, 'unsubscribe', juliet.jid)
    await settled(his)
    const hers = await scene.device(juliet, 1, 'chamber', { keep: true })
    await settled(hers)
    expect(got(hers)).toEqual([])
  })

  test('§3.1.3, rule 2: who is subscribed already gets "subscribed" from the server, and the contact hears nothing', async () => {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    await scene.subscribe(romeo, juliet)
    const his = await scene.device(romeo, 0, 'orchard')
    const [balcony, chamber] = await scene.pair(juliet, 'balcony', 'chamber')
    await settled(balcony, his)
    clear(his)
    say(his, 'subscribe', juliet.jid)
    await settled(his, balcony, chamber)
    for (const device of [balcony, chamber]) expect(got(device)).toEqual([])
    // §3.1.6: it is subscribed, so that the answer is not shown.
    expect(got(his).filter((line) => !line.startsWith('presence juliet/'))).toEqual([])
    expect(await items(his)).toEqual(['juliet to'])
  })

  test('§3.1.6, §3.2.3, §3.3.3: what nobody has asked for is ignored in silence', async () => {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    const [balcony, chamber] = await scene.pair(juliet, 'balcony', 'chamber')
    const his = await scene.device(romeo, 0, 'orchard')
    for (const type of ['unsubscribed', 'unsubscribe']) say(his, type, juliet.jid)
    await settled(his, balcony, chamber)
    for (const device of [balcony, chamber]) {
      expect(got(device)).toEqual([])
      expect(await items(device)).toEqual([])
    }
  })

  test('§3.1.2, §8.5.1: a request to nobody is pushed as pending and has no other answer', async () => {
    const [romeo] = await scene.people('romeo')
    const his = await scene.device(romeo, 0, 'orchard')
    for (const type of ['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed']) say(his, type, 'nobody-of-ours@localhost')
    await settled(his)
    expect(got(his).filter((line) => !line.startsWith('push'))).toEqual([])
  })

  test('§3.2: cancellation hides every device before it is told, and both rosters say so', async () => {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    await scene.befriend(romeo, juliet)
    const [balcony, chamber] = await scene.pair(juliet, 'balcony', 'chamber')
    const [orchard, tomb] = await scene.pair(romeo, 'orchard', 'tomb')
    await settled(orchard, balcony, chamber)
    clear(balcony, chamber)
    say(balcony, 'unsubscribed', romeo.jid)
    for (const device of [orchard, tomb]) {
      await device.presence(juliet.jid, 'unsubscribed')
      for (const gone of [balcony, chamber]) await device.presence(gone.jid, 'unavailable')
      await device.ping()
      expect(got(device)).toEqual(['push juliet from'])
    }
    await settled(balcony, chamber)
    for (const device of [balcony, chamber]) expect(got(device)).toEqual(['push romeo to'])
    balcony.write(`<presence><show>dnd</show></presence>`)
    await settled(balcony, orchard, tomb)
    for (const device of [orchard, tomb]) expect(got(device)).toEqual([])
  })

  test('§3.3: unsubscribing tells the contact and takes her devices out of sight', async () => {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    await scene.befriend(romeo, juliet)
    const [balcony, chamber] = await scene.pair(juliet, 'balcony', 'chamber')
    const [orchard, tomb] = await scene.pair(romeo, 'orchard', 'tomb')
    await settled(orchard, balcony, chamber)
    clear(balcony, chamber)
    say(tomb, 'unsubscribe', juliet.jid)
    for (const device of [orchard, tomb]) {
      for (const gone of [balcony, chamber]) await device.presence(gone.jid, 'unavailable')
    }
    await settled(tomb, balcony, chamber, orchard)
    for (const device of [balcony, chamber]) expect(got(device)).toEqual(['presence unsubscribe romeo > juliet', 'push romeo to'])
    for (const device of [orchard, tomb]) expect(got(device)).toEqual(['push juliet from'])
  })

  test('§3.4.2: approval in advance is noted and not routed; the request then succeeds at once and is never shown', async () => {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    const [balcony, chamber] = await scene.pair(juliet, 'balcony', 'chamber')
    const his = await scene.device(romeo, 0, 'orchard')
    say(balcony, 'subscribed', romeo.jid)
    await settled(balcony, chamber, his)
    for (const device of [balcony, chamber]) expect(got(device)).toEqual(['push romeo none approved=true'])
    expect(got(his)).toEqual([])
    expect(await items(chamber)).toEqual(['romeo none approved=true'])

    say(his, 'subscribe', juliet.jid)
    await his.presence(juliet.jid, 'subscribed')
    await his.presence(balcony.jid)
    await his.presence(chamber.jid)
    await settled(his, balcony, chamber)
    expect(got(his)).toEqual(['push juliet none ask=subscribe', 'push juliet to'])
    for (const device of [balcony, chamber]) expect(got(device)).toEqual(['push romeo from approved=true'])
  })

  test('§3.4.2: it holds for one who is away, and a probe does not end it (§4.3.2)', async () => {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    const hers = await scene.device(juliet, 1, 'chamber')
    say(hers, 'subscribed', romeo.jid)
    await settled(hers)
    await hers.close()
    const his = await scene.device(romeo, 0, 'orchard')
    say(his, 'probe', juliet.jid)
    say(his, 'subscribe', juliet.jid)
    await his.presence(juliet.jid, 'subscribed')
    const back = await scene.device(juliet, 0, 'chamber', { keep: true })
    expect(got(back)).not.toContain('presence subscribe romeo > juliet')
    await his.presence(back.jid)
    expect(await items(his)).toEqual(['juliet to'])
  })

  test('§3.2.2, rule 2: "unsubscribed" takes it back, unrouted; a later request must be asked', async () => {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    const [balcony, chamber] = await scene.pair(juliet, 'balcony', 'chamber')
    const his = await scene.device(romeo, 0, 'orchard')
    say(balcony, 'subscribed', romeo.jid)
    say(balcony, 'unsubscribed', romeo.jid)
    await settled(balcony, chamber, his)
    expect(got(chamber)).toEqual(['push romeo none approved=true', 'push romeo none'])
    expect(got(his)).toEqual([])
    say(his, 'subscribe', juliet.jid)
    await chamber.presence(romeo.jid, 'subscribe')
  })

  test('§3.4.2, rules 1 and 2: with a request it is an approval, with a subscription it is nothing', async () => {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    const hers = await scene.device(juliet, 1, 'chamber')
    const his = await scene.device(romeo, 0, 'orchard')
    say(his, 'subscribe', juliet.jid)
    await hers.presence(romeo.jid, 'subscribe')
    say(hers, 'subscribed', romeo.jid)
    say(hers, 'subscribed', romeo.jid)
    await his.presence(hers.jid)
    await settled(hers, his)
    expect(got(his)).toEqual(['push juliet none ask=subscribe', 'presence subscribed juliet > romeo', 'push juliet to'])
    expect(got(hers)).toEqual(['push romeo from'])
  })

  test('A.2: both ask each other at once, on different nodes, and both approve', async () => {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    const his = await scene.device(romeo, 0, 'orchard')
    const hers = await scene.device(juliet, 1, 'chamber')
    say(his, 'subscribe', juliet.jid)
    say(hers, 'subscribe', romeo.jid)
    await Promise.all([hers.presence(romeo.jid, 'subscribe'), his.presence(juliet.jid, 'subscribe')])
    say(his, 'subscribed', juliet.jid)
    say(hers, 'subscribed', romeo.jid)
    await Promise.all([his.presence(hers.jid), hers.presence(his.jid)])
    await settled(his, hers)
    await settled(hers, his)
    expect(await items(his)).toEqual(['juliet both'])
    expect(await items(hers)).toEqual(['romeo both'])
  })

  test('§4.3.2, rule 1: a contact whose account is gone is unsubscribed at the next login', async () => {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    await scene.befriend(romeo, juliet)
    expect(await scene.cluster.accounts.remove(juliet.user, 'localhost')).toBe(true)
    const his = await scene.device(romeo, 1, 'orchard', { keep: true })
    await his.presence(juliet.jid, 'unsubscribed')
    await settled(his)
    expect(await items(his)).toEqual(['juliet from'])
  })

  test('§3.1: addresses are compared prepared: upper case asks and answers for the same account', async () => {
    const [romeo, juliet] = await scene.people('romeo', 'juliet')
    const his = await scene.device(romeo, 0, 'orchard')
    const hers = await scene.device(juliet, 1, 'chamber')
    say(his, 'subscribe', juliet.jid.toUpperCase())
    await hers.presence(romeo.jid, 'subscribe')
    say(hers, 'subscribed', `${romeo.user.toUpperCase()}@LOCALHOST/Anything`)
    await his.presence(hers.jid)
    expect(await items(his)).toEqual(['juliet to'])
  })
})

import { expect, test } from '@jest/globals'
import { topicOf } from '../../src/rules/client-state.js'
import { xml, type Element } from '../../src/xml/element.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { Stanza, type StanzaKind } from '../../src/xmpp/stanza.js'

const from = parseJid('bob@im.test/x')
const stanza = (kind: StanzaKind, type: string, ...children: readonly Element[]): Stanza => Stanza.of({ kind, type, from }, ...children)
const composing = xml('composing', { xmlns: 'http://jabber.org/protocol/chatstates' })
const MUC_USER = 'http://jabber.org/protocol/muc#user'

test('presence may wait, the newest of each full address; subscriptions, errors and news of rooms may not (XEP-0352 §3.2)', () => {
  expect(topicOf(stanza('presence', ''))).toBe(topicOf(stanza('presence', 'unavailable', xml('status', {}, 'gone'))))
  expect(topicOf(stanza('presence', ''))).not.toBe(topicOf(stanza('presence', '').with({ from: parseJid('bob@im.test/y') })))
  for (const type of ['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed', 'error', 'probe']) {
    expect(topicOf(stanza('presence', type))).toBeUndefined()
  }
  expect(topicOf(stanza('presence', '', xml('x', { xmlns: MUC_USER }, xml('status', { code: '110' }))))).toBeUndefined()
  expect(topicOf(stanza('presence', '', xml('x', { xmlns: MUC_USER }, xml('item', { role: 'visitor' }))))).toBeDefined()
})

test('a message may wait when it says nothing but a chat state (XEP-0085)', () => {
  const beside = [xml('thread', {}, 't'), xml('no-store', { xmlns: 'urn:xmpp:hints' }), xml('origin-id', { xmlns: 'urn:xmpp:sid:0', id: '1' })]
  const paused = xml('paused', { xmlns: 'http://jabber.org/protocol/chatstates' })
  expect(topicOf(stanza('message', 'chat', composing, ...beside))).toBe(topicOf(stanza('message', 'chat', paused)))
  expect(topicOf(stanza('message', 'chat', composing))).not.toBe(topicOf(stanza('presence', '')))
  for (const child of [xml('body', {}, 'hi'), xml('subject'), xml('received', { xmlns: 'urn:xmpp:receipts', id: '1' })]) {
    expect(topicOf(stanza('message', 'chat', composing, child))).toBeUndefined()
    expect(topicOf(stanza('message', 'chat', child))).toBeUndefined()
  }
  expect(topicOf(stanza('message', 'error', composing))).toBeUndefined()
  expect(topicOf(stanza('message', ''))).toBeUndefined()
})

test('requests and their answers never wait', () => {
  for (const type of ['get', 'set', 'result', 'error']) expect(topicOf(stanza('iq', type))).toBeUndefined()
})

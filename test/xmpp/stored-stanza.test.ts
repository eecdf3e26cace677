import { expect, test } from '@jest/globals'
import { xml } from '../../src/xml/element.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { Stanza } from '../../src/xmpp/stanza.js'
import { delay } from '../../src/xmpp/delay.js'
import { preparePassword } from '../../src/xmpp/saslprep.js'
import { readStanza } from '../../src/xmpp/stored-stanza.js'

test('a stanza comes back from its text as it was', () => {
  const stanza = Stanza.of({
    kind: 'message', to: parseJid('juliet@im.test'), from: parseJid("romeo@im.test/a'&b"), id: '<1>', type: 'chat', lang: 'en'
  }, xml('body', {}, 'a < b & c\n'), xml('x', { xmlns: 'urn:x', 'xml:lang': 'de' }, xml('y', { xmlns: 'urn:y' })))
  expect(readStanza(stanza.toString())?.toString()).toBe(stanza.toString())
  const bare = Stanza.of({ kind: 'presence', type: 'subscribe' })
  expect(readStanza(bare.toString())?.toString()).toBe(bare.toString())
})

test('text that is no stanza is nothing', () => {
  expect(readStanza('<foo xmlns="jabber:client"/>')).toBeUndefined()
  expect(readStanza("<message xmlns='jabber:client' to='@'/>")).toBeUndefined()
  expect(readStanza('')).toBeUndefined()
})

test('XEP-0203 §2: a delay says by whom and when, in UTC', () => {
  expect(delay(parseJid('im.test'), Date.UTC(2002, 8, 10, 23, 8, 25), 'Offline Storage').toString())
    .toBe('<delay xmlns="urn:xmpp:delay" from="im.test" stamp="2002-09-10T23:08:25.000Z">Offline Storage</delay>')
  expect(delay(parseJid('im.test'), 0).toString()).toBe('<delay xmlns="urn:xmpp:delay" from="im.test" stamp="1970-01-01T00:00:00.000Z"/>')
})

test('RFC 4013 §3: a password is prepared, or refused', () => {
  expect(preparePassword('I\u00ADX')).toBe('IX')
  expect(preparePassword('\u00AA')).toBe('a')
  expect(preparePassword('pass\u00A0word')).toBe('pass word')
  for (const bad of ['', '\u0007', '\u0627\u0031', 'x'.repeat(1025), '\u00AD']) expect(preparePassword(bad)).toBeUndefined()
  expect(preparePassword('x'.repeat(1024))).toHaveLength(1024)
})

import { describe, expect, test } from '@jest/globals'
import { xml } from '../../src/xml/element.js'
import { errorReply } from '../../src/xmpp/error-stanza.js'
import { StanzaError } from '../../src/xmpp/errors.js'
import { parseJid } from '../../src/xmpp/jid.js'
import { Stanza } from '../../src/xmpp/stanza.js'

const romeo = parseJid('romeo@im.test/orchard')
const juliet = parseJid('juliet@im.test')
const message = (type: string, ...children: Parameters<typeof Stanza.of>[1][]): Stanza =>
  Stanza.of({ kind: 'message', from: romeo, to: juliet, id: 'm1', type, lang: 'en' }, ...children)
const refusal = new StanzaError('cancel', 'service-unavailable')

describe('RFC 6120 §8.3: the answer to a refused stanza', () => {
  test('has the same id, type error, swapped addresses, the payload and the error', () => {
    const reply = errorReply(message('chat', xml('body', {}, 'hi')), refusal)
    expect(reply?.toString()).toBe(
      "<message xmlns='jabber:client' to='romeo@im.test/orchard' from='juliet@im.test' id='m1' type='error'>" +
      reply?.inside.toString() + '</message>')
    const [body, error] = reply?.elements() ?? []
    expect(body?.getText()).toBe('hi')
    expect(error?.is('error', 'jabber:client')).toBe(true)
    expect(error?.attrs['type']).toBe('cancel')
    expect(error?.getChild('service-unavailable', 'urn:ietf:params:xml:ns:xmpp-stanzas')).toBeDefined()
    expect(reply?.children.map((c) => c.name)).toEqual(['body', 'error'])
  })

  test('carries a payload of its own in place of the refused one, when the error has it', () => {
    const form = xml('query', { xmlns: 'x' }, xml('form'))
    const reply = errorReply(message('chat', xml('body', {}, 'secret')), new StanzaError('cancel', 'not-allowed').with(form))
    expect(reply?.children.map((c) => c.name)).toEqual(['query', 'error'])
    expect(reply?.toString()).not.toContain('secret')
  })

  test('carries text and an application-specific condition (§8.3.2, §8.3.4)', () => {
    const reply =
      errorReply(message('chat'), new StanzaError(
        'wait', 'policy-violation', 'slow <down>', { name: 'too-many-stanzas', ns: 'urn:xmpp:errors' }
      ))
    const error = reply?.elements()[0]
    expect(error?.getChildText('text', 'urn:ietf:params:xml:ns:xmpp-stanzas')).toBe('slow <down>')
    expect(error?.getChild('too-many-stanzas', 'urn:xmpp:errors')).toBeDefined()
  })

  test('echoes no large payload, no password, no second error', () => {
    const names = (stanza: Stanza): readonly string[] | undefined => errorReply(stanza, refusal)?.children.map((c) => c.name)
    expect(names(message('chat', xml('body', {}, 'x'.repeat(1024))))).toEqual(['error'])
    expect(names(message('chat', xml('error', {})))).toEqual(['error'])
    const set = Stanza.of({ kind: 'iq', from: romeo, id: 'i', type: 'set' }, xml('query', { xmlns: 'jabber:iq:register' }))
    expect(names(set)).toEqual(['error'])
  })

  test('is never given to an error or a result (§8.3.1)', () => {
    expect(errorReply(message('error'), refusal)).toBeUndefined()
    expect(errorReply(Stanza.of({ kind: 'iq', type: 'result' }), refusal)).toBeUndefined()
    expect(errorReply(Stanza.of({ kind: 'iq', type: 'error' }), refusal)).toBeUndefined()
  })

  test('Q01: has an empty id when an IQ had none, and may come from another address', () => {
    const reply = errorReply(Stanza.of({ kind: 'iq', type: 'get', from: romeo }), refusal, parseJid('im.test'))
    expect([reply?.id, reply?.from?.toString()]).toEqual(['', 'im.test'])
    expect(errorReply(Stanza.of({ kind: 'message', from: romeo }), refusal)?.id).toBeUndefined()
  })
})

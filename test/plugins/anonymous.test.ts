import { describe, expect, test } from '@jest/globals'
import anonymous from '../../src/plugins/anonymous.js'
import { pluginBench } from './bench.js'

const GUEST = 'guest-00000000-0000-4000-8000-000000000000@im.test'
const AWAY = 'somebody@elsewhere.test'

const bench = (abroad: boolean) => pluginBench([anonymous], [GUEST, 'romeo@im.test'], { settings: () => ({ abroad }) })

describe('XEP-0175 §2.2: people of whom nobody knows who they are', () => {
  test.each(['message', 'presence', 'iq'])('%s of a guest to another server is refused', async (kind) => {
    const one = await bench(false)
    const guest = await one.binds(`${GUEST}/x`)
    await guest.sends(`<${kind} to='${AWAY}' id='a'${kind === 'iq' ? " type='get'><ping xmlns='urn:xmpp:ping'/></iq>" : '/>'}`)
    expect(guest.stanzas().map((stanza) => stanza.elements().at(-1)?.getChildElements()[0]?.name)).toEqual(['not-allowed'])
    expect(one.abroad).toHaveLength(0)
  })

  test('an operator may let them', async () => {
    const one = await bench(true)
    await (await one.binds(`${GUEST}/x`)).sends(`<message to='${AWAY}' id='a'/>`)
    expect(one.abroad).toHaveLength(1)
  })

  test('everybody else writes where they like, and guests to whom they find here', async () => {
    const one = await bench(false)
    const romeo = await one.binds('romeo@im.test/x', '<presence/>')
    await romeo.sends(`<message to='${AWAY}' id='a'/>`)
    expect(one.abroad).toHaveLength(1)
    romeo.stanzas()
    await (await one.binds(`${GUEST}/x`)).sends("<message to='romeo@im.test/x' id='a'/>")
    expect(romeo.stanzas()).toHaveLength(1)
  })
})

import { expect, test } from '@jest/globals'
import version from '../../src/plugins/version.js'
import { pluginBench } from './bench.js'

const ask = "<query xmlns='jabber:iq:version'/>"

test('XEP-0092 §3: the server says name and version', async () => {
  const romeo = await (await pluginBench([version], ['romeo@im.test'])).binds('romeo@im.test/orchard')
  const answer = "<query xmlns='jabber:iq:version'><name>Starling</name><version>0</version></query>"
  expect(await romeo.asks('get', 'im.test', ask)).toBe(answer)
  expect(await romeo.asks('get', '', ask)).toBe(answer)
  expect(await romeo.asks('get', 'romeo@im.test', ask)).toBe('cancel/service-unavailable')
})

test('XEP-0092 §6: the operating system only when the operator wants it', async () => {
  const bench = await pluginBench([version], ['romeo@im.test'], { settings: () => ({ showSystem: true }) })
  const romeo = await bench.binds('romeo@im.test/orchard')
  expect(await romeo.asks('get', 'im.test', ask)).toContain(`<os>${process.platform}`)
})

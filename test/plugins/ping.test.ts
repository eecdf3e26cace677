import { expect, test } from '@jest/globals'
import ping from '../../src/plugins/ping.js'
import { pluginBench } from './bench.js'

test('XEP-0199 §4.2: server and accounts answer, and an account that is not there answers like one that is', async () => {
  const romeo = await (await pluginBench([ping], ['romeo@im.test', 'juliet@im.test'])).binds('romeo@im.test/orchard')
  for (const to of ['', 'im.test', 'romeo@im.test', 'juliet@im.test', 'nobody@im.test']) {
    expect([to, await romeo.asks('get', to, "<ping xmlns='urn:xmpp:ping'/>")]).toEqual([to, ''])
  }
})

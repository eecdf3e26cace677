import { expect, test } from '@jest/globals'
import time from '../../src/plugins/time.js'
import { pluginBench } from './bench.js'

test('XEP-0202 §3: the server says its time in UTC', async () => {
  const bench = await pluginBench([time], ['romeo@im.test'])
  const romeo = await bench.binds('romeo@im.test/orchard')
  bench.now = 90_123
  expect(await romeo.asks('get', 'im.test', "<time xmlns='urn:xmpp:time'/>"))
    .toBe("<time xmlns='urn:xmpp:time'><tzo>+00:00</tzo><utc>1970-01-01T00:01:30.123Z</utc></time>")
})

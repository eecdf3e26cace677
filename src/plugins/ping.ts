/** XEP-0199 XMPP Ping: are you there? */
import { get, plugin } from '../pipeline/api.js'

const NS = 'urn:xmpp:ping'
const pong = get(NS, 'ping', () => undefined)        // nothing to say: an empty result

export default plugin({
  id: 'urn:xmpp:ping',
  xep: { number: 199, version: '2.0.1', title: 'XMPP Ping' },
  disco: [NS],
  iq: { account: [pong], host: [pong], nobody: [pong] }        // an address tells nobody whether somebody has it
})

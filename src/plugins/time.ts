/** Entity time (XEP-0202) of the server, which lives in UTC. */
import { get, plugin, type Context, type IqRequest } from '../pipeline/api.js'
import { type Element, xml } from '../xml/element.js'
import { dateTime } from '../xmpp/datetime.js'

const NS = 'urn:xmpp:time'

function time(_: IqRequest, { clock }: Context): Element {
  return xml('time', { xmlns: NS }, xml('tzo', {}, '+00:00'), xml('utc', {}, dateTime(clock.wall())))
}

export default plugin({
  id: NS,
  xep: { number: 202, version: '2.0', title: 'Entity Time' },
  disco: { host: [NS] },
  iq: { host: [get(NS, 'time', time)] }
})

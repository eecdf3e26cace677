/** Software version (XEP-0092) of the server. */
import { flag, get, plugin, type Context, type IqRequest } from '../pipeline/api.js'
import { type Element, xml } from '../xml/element.js'

const NS = 'jabber:iq:version'

const config = {
  showSystem: flag('show-system', false, 'Tells everybody the operating system too; attackers ask first.') // §6
}

function version(_: IqRequest, ctx: Context): Element {
  const system = ctx.settings(config).showSystem ? [xml('os', {}, `${process.platform} ${process.arch}`)] : []
  return xml('query', { xmlns: NS }, xml('name', {}, 'Starling'), xml('version', {}, ctx.server.version), ...system)
}

export default plugin({
  id: NS,
  xep: { number: 92, version: '1.1', title: 'Software Version' },
  config,
  disco: { host: [NS] },
  iq: { host: [get(NS, 'query', version)] }
})

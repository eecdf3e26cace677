/** The same document heard by parsers that are not ours: saxes, ltx, Expat. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parse as parseLtx, type Element, type Node } from 'ltx'
import { SaxesParser } from 'saxes'

export type Attribute = readonly [ns: string, name: string, value: string]
export type XmlEvent = readonly ['start', string, string, readonly Attribute[]] | readonly ['text', string] | readonly ['end']
/** `undefined`: refused. */
export type Opinion = readonly XmlEvent[] | undefined

class Heard {
  readonly events: XmlEvent[] = []

  text(data: string): void {
    const last = this.events.at(-1)
    if (last?.[0] === 'text') this.events[this.events.length - 1] = ['text', last[1] + data]
    else if (data !== '') this.events.push(['text', data])
  }

  start(ns: string, name: string, attributes: readonly Attribute[]): void {
    this.events.push(['start', ns, name, attributes.toSorted((a, b) => (String(a) < String(b) ? -1 : 1))])
  }

  end(): void {
    this.events.push(['end'])
  }
}

export function bySaxes(document: string): Opinion {
  const heard = new Heard()
  const parser = new SaxesParser({ xmlns: true })
  let refused = false
  parser.on('error', () => { refused = true })
  parser.on('opentag', ({ uri, local, attributes }) => {
    const given = Object.values(attributes).filter(({ prefix, name }) => prefix !== 'xmlns' && name !== 'xmlns')
    heard.start(uri, local, given.map((one) => [one.uri, one.local, one.value]))
  })
  parser.on('closetag', () => { heard.end() })
  parser.on('text', (text) => { heard.text(text) })
  parser.on('cdata', (text) => { heard.text(text) })
  parser.write(document).close()
  return refused ? undefined : heard.events
}

export function byLtx(document: string): Opinion {
  const heard = new Heard()
  try {
    tell(parseLtx(document), heard)
  } catch {
    return undefined
  }
  return heard.events
}

function tell(node: Node, heard: Heard): void {
  if (typeof node === 'string') return heard.text(node)
  const element = node as Element
  const given = Object.entries(element.attrs as Record<string, string>).filter(([name]) => name !== 'xmlns' && !name.startsWith('xmlns:'))
  heard.start(namespaceOf(element, element.name.includes(':') ? element.name.split(':')[0] ?? '' : ''), element.getName(), given.map(([name, value]) => {
    const at = name.indexOf(':')
    return at < 0 ? ['', name, value] : [namespaceOf(element, name.slice(0, at)), name.slice(at + 1), value]
  }))
  for (const child of element.children) tell(child, heard)
  heard.end()
}

/** By the declarations that ltx has read; its own look-up takes an empty one for none. */
function namespaceOf(element: Element | null, prefix: string): string {
  if (prefix === 'xml') return 'http://www.w3.org/XML/1998/namespace'
  const declared: unknown = element?.attrs[prefix === '' ? 'xmlns' : `xmlns:${prefix}`]
  if (typeof declared === 'string' || element === null) return typeof declared === 'string' ? declared : ''
  return namespaceOf(element.parent, prefix)
}

/** `undefined`: there is no Python with Expat here. */
export function byExpat(documents: readonly string[]): readonly Opinion[] | undefined {
  const script = join(import.meta.dirname, 'expat_events.py')
  const { status, stdout } = spawnSync('python3', [script], { input: JSON.stringify(documents), encoding: 'utf8', maxBuffer: 1 << 28 })
  if (status !== 0) return undefined
  return (JSON.parse(stdout) as (Exclude<Opinion, undefined> | null)[]).map((events) => events ?? undefined)
}

/**
 * Reads Java Properties text (`java.util.Properties.load`): comments, continuations, escapes; every entry keeps its file
 * and line. Splitting is `dot-properties`'; what Java refuses and the library forgives is refused here.
 */
import { Pair, parseLines } from 'dot-properties'
import type { Complaint, Origin } from './fault.js'

export interface Entry {
  readonly origin: Origin
  readonly key: string
  readonly value: string
}

export interface PropertiesText {
  /** In the order of the file, duplicates too: the last one wins. */
  readonly entries: readonly Entry[]
  readonly faults: readonly Complaint[]
}

/** A backslash-u that is not followed by four hexadecimal digits, behind an even number of backslashes. */
const BAD_ESCAPE = /(?:^|[^\\])(?:\\\\)*\\u(?![0-9a-fA-F]{4})/

export function readProperties(file: string, text: string): PropertiesText {
  const source = text.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n')
  const entries: Entry[] = []
  const faults: Complaint[] = []
  let line = 1
  let counted = 0
  for (const node of parseLines(source, true)) {
    if (!(node instanceof Pair)) continue
    const [from, , , to] = node.range
    for (; counted < from; counted++) if (source[counted] === '\n') line++
    const origin = { file, line }
    const escapeAt = BAD_ESCAPE.exec(source.slice(from, to))
    if (escapeAt === null) entries.push({ origin, key: node.key, value: node.value.trimEnd() })
    else faults.push({ origin, key: node.key, problem: 'after \\u four hexadecimal digits must follow; write \\\\ for a backslash' })
  }
  return { entries, faults }
}

/** Files are UTF-8; one that is not is taken for ISO 8859-1, which Java's own format demands. */
export function decodeProperties(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return new TextDecoder('latin1').decode(bytes)
  }
}

export type Line =
  /** `--name=value`; `suffix` is `[a.org,b.org]` in Tigase's per-domain form. */
  | { readonly kind: 'global'; readonly name: string; readonly domains: readonly string[] }
  /** `component/path/key[T]=value`. */
  | { readonly kind: 'component'; readonly component: string; readonly path: readonly string[]; readonly type: string }

const TYPE_LETTERS = ['F', 'L', 'I', 'S', 'B', 'l', 'i', 's', 'b']

/** Tells the three kinds of line apart (a key of the first kind is `config-type`); throws `Error` with what is allowed. */
export function classify(key: string): Line {
  if (key === 'config-type') return { kind: 'global', name: key, domains: [] }
  const [, name, domains] = /^(--[^\s[\]/]+)(?:\[([^\]]*)\])?$/.exec(key) ?? []
  if (name !== undefined) return { kind: 'global', name, domains: domains?.split(',').map((d) => d.trim()) ?? [] }
  const [, full, letter] = /^(.*?)(?:\[([^\]]*)\])?$/s.exec(key) ?? []
  const [component = '', ...path] = (full ?? key).split('/')
  if (key.startsWith('-') || component === '' || (path.at(-1) ?? '') === '') {
    throw new Error('a key is --name, config-type or component/key')
  }
  if (letter !== undefined && !TYPE_LETTERS.includes(letter)) {
    throw new Error(`the type letter is one of ${TYPE_LETTERS.join(' ')}`)
  }
  return { kind: 'component', component, path, type: letter ?? 'S' }
}

const TYPED: Readonly<Record<string, readonly [RegExp, string]>> = {
  B: [/^(true|yes|on|1|false|no|off|0)$/i, 'true or false'],
  I: [/^-?\d+[kmg]?$/i, 'a whole number'],
  L: [/^-?\d+[kmg]?$/i, 'a whole number'],
  F: [/^-?\d+(\.\d+)?$/, 'a number']
}

/** What the type letter demands of the value, `undefined` when it is kept. Small letters are lists of the same. */
export function typeFault(type: string, value: string): string | undefined {
  const [form, allowed] = TYPED[type.toUpperCase()] ?? []
  const parts = type === type.toUpperCase() ? [value] : value.split(',').map((part) => part.trim())
  return form === undefined || parts.every((part) => form.test(part)) ? undefined : `[${type}] asks for ${allowed}`
}

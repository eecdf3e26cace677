/** What the sources do not contain, so that it cannot be attacked: second parsers, decompression, ways out, built SQL, slow patterns. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import ts from 'typescript'

const src = join(import.meta.dirname, '..', '..', 'src')
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts')).sort()
const trees = new Map(files.map((file) =>
  [file, ts.createSourceFile(file, readFileSync(join(src, file), 'utf8'), ts.ScriptTarget.Latest, true)]))

/** What `pick` finds in the nodes of all files that it is asked about. */
function found<T>(pick: (node: ts.Node, file: string) => T | undefined): readonly T[] {
  const all: T[] = []
  const walk = (node: ts.Node, file: string): void => {
    const one = pick(node, file)
    if (one !== undefined) all.push(one)
    node.forEachChild((child) => { walk(child, file) })
  }
  for (const [file, tree] of trees) walk(tree, file)
  return all
}

/** Imports of values; types alone do nothing. */
const imports = found((node, file) => {
  if (!ts.isImportDeclaration(node) || !ts.isStringLiteral(node.moduleSpecifier) || node.importClause?.isTypeOnly === true) return undefined
  return { file, module: node.moduleSpecifier.text, names: node.importClause?.getText() ?? '' }
})
const importersOf = (module: RegExp): readonly string[] =>
  [...new Set(imports.filter((one) => module.test(one.module)).map((one) => one.file))]

test('A01: XML is read by one parser, our own', () => {
  expect(importersOf(/^(?:sax|saxes|node-expat|libxmljs|fast-xml-parser|xmldom)/)).toEqual([])
  // Trees and how they are built are a library's; its parsers are not used.
  expect(imports.filter(({ module, names }) => /^(?:ltx|@xmpp\/xml)/.test(module) && /pars|\*/i.test(names))).toEqual([])
  expect(importersOf(/^(?:ltx|@xmpp\/xml)/)).toEqual(['xml/element.ts', 'xml/tree.ts'])
})

test('A05: nothing can be decompressed', () => {
  expect(importersOf(/zlib/)).toEqual([])
})

test('A47: no address that a peer names is ever asked for anything: who connects, and to what', () => {
  const connects = found((node, file) => (ts.isCallExpression(node)
    && /^(?:fetch|connect|connectTcp|connectTls|netConnect|tlsConnect|createConnection)$/.test(node.expression.getText()) ? file : undefined))
  expect([...new Set(connects)]).toEqual([
    'admin/demo.ts', 'admin/front.ts', 'admin/node-page.ts', 'admin/probe-client.ts',     // the operator's own commands
    'cluster/link.ts'                                                                      // addresses in rows, proved by their pins
  ])
  expect(importersOf(/^(?:node:)?(?:https|http2|dgram)$/)).toEqual([])
  expect(imports.filter(({ module }) => module === 'node:http').map(({ names }) => names)).toEqual(['{ createServer }'])
})

test('A63: no text becomes a program: no eval, no command line', () => {
  expect(found((node, file) => ((ts.isCallExpression(node) || ts.isNewExpression(node))
    && /^(?:eval|Function)$/.test(node.expression.getText()) ? file : undefined))).toEqual([])
  expect(importersOf(/^(?:node:)?(?:vm|child_process)$/)).toEqual(['admin/demo.ts'])
})

/** Something repeated inside something repeated, or two that overlap one after the other: time that grows faster than the text. */
const NESTED = /\((?:[^()\\]|\\.)*(?:[+*]|\{\d+,\d*\})(?:[^()\\]|\\.)*\)(?:[+*]|\{\d+,\d*\})/

/** Each repetition begins with a character that the one before cannot have: there is one way to read it. */
const SEPARATED = /\(\?:(?:,\[A-Za-z\]=\[\^,\]\+|-\[A-Za-z0-9\]\{1,8\})\)[*{]/g

test('A63: no pattern repeats what repeats', () => {
  const patterns = found((node, file) => (ts.isRegularExpressionLiteral(node) && NESTED.test(node.text.replace(SEPARATED, '').replace(/\[(?:[^\]\\]|\\.)*\]/g, 'c'))
    ? `${file} ${node.text}` : undefined))
  expect(patterns).toEqual([])
  expect(['/(a+)+$/', '/(?:a*b)*/', '/(\\d{1,})+x/'].filter((text) => !NESTED.test(text))).toEqual([])
})

test('A63: patterns made of text are made of our own', () => {
  const made = found((node, file) => (ts.isNewExpression(node) && node.expression.getText() === 'RegExp' ? file : undefined))
  expect([...new Set(made)]).toEqual(['xml/prolog.ts', 'xmpp/precis.ts', 'xmpp/unicode.ts'])
})

/** Names of columns and tables, and times of each database's own dialect: constants of the sources. */
const CONSTANT = new Set(['A_DAY_AGO[this.#database.kind]', 'TABLE', 'RECENT[kind]', 'table', 'name', 'suffix', "parts.join(', ')",
  "columns(TYPES[kind]).join(', ')", "ITEM.join(', ')", "ITEM.map((column) => `i.${column}`).join(', ')", 'column'])

test('A65: a statement holds no value: what is put into one is a constant', () => {
  const parts = found((node, file) => {
    if (!file.startsWith('storage/') || !ts.isTemplateExpression(node)) return undefined
    if (!/^`\s*(?:select|insert|update|delete|create|alter|drop|last_update)\b/i.test(node.getText())) return undefined
    return node.templateSpans.map((span) => ({ file, text: span.expression.getText() }))
  }).flat()
  expect(parts.length).toBeGreaterThan(5)
  expect(parts.filter(({ text }) => !CONSTANT.has(text))).toEqual([])
})

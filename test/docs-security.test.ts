/**
 * `docs/security.md` stays true: every file it names is there, and every test it names is a test of that file. A test is named
 * as `path` "words of its title"; words that a table of the test fills in are left out.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import ts from 'typescript'
import { ALL_ROWS } from './hostile/corpus/rows.js'

const root = join(import.meta.dirname, '..')
const page = readFileSync(join(root, 'docs', 'security.md'), 'utf8')

/** Rows of the corpus are titles too. */
const ROWS_FILE = 'test/hostile/rows.test.ts'
const TESTING = /^(?:test|describe|row|play|tally\.test|refused|check)\b/

/** Texts of a file that can be titles: what is said first to a test, and first texts of lists, which tables of tests are made of. */
function titlesOf(path: string): readonly string[] {
  const tree = ts.createSourceFile(path, readFileSync(join(root, path), 'utf8'), ts.ScriptTarget.Latest, true)
  const titles: string[] = path === ROWS_FILE ? ALL_ROWS.map(({ id, says }) => `${id} ${says}`) : []
  const textOf = (node: ts.Node | undefined): string | undefined => {
    if (node === undefined) return undefined
    if (ts.isStringLiteralLike(node)) return node.text
    return ts.isTemplateExpression(node) ? [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join('…') : undefined
  }
  const walk = (node: ts.Node): void => {
    const text = ts.isCallExpression(node) && TESTING.test(node.expression.getText()) ? textOf(node.arguments[0])
      : ts.isArrayLiteralExpression(node) ? textOf(node.elements[0]) : undefined
    if (text !== undefined) titles.push(text)
    node.forEachChild(walk)
  }
  walk(tree)
  return titles
}

interface Named {
  readonly path: string
  readonly title: string
}

/** `path` "title", "title": titles belong to the path before them. */
function namedIn(text: string): readonly Named[] {
  const named: Named[] = []
  let path = ''
  for (const [, code, title] of text.matchAll(/`([^`]+)`|"([^"]+)"/g)) {
    if (title !== undefined && path !== '') named.push({ path, title })
    if (code !== undefined) path = /^test\/.*\.test\.ts$/.test(code) ? code : ''
  }
  return named
}

const named = page.split('\n').flatMap(namedIn)
const known = new Map([...new Set(named.map(({ path }) => path))].filter((path) => existsSync(join(root, path))).map((path) =>
  [path, titlesOf(path)]))
const stands = ({ path, title }: Named): boolean => known.get(path)?.some((text) => text.includes(title)) === true

/** Rows of the table of vulnerabilities: `| A01 | …`. */
const answers = page.split('\n').filter((line) => /^\| A\d\d \|/.test(line))

describe('docs/security.md', () => {
  test('names files that are there', () => {
    const paths = [...page.matchAll(/`((?:test|src|docs|examples)\/[^`*]+\.(?:ts|md|cfg))`/g)].map(([, path = '']) => path)
    expect(paths.length).toBeGreaterThan(20)
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([])
  })

  test('names tests that are there', () => {
    expect(named.length).toBeGreaterThan(100)
    expect(named.filter((one) => !stands(one))).toEqual([])
  })

  test('shows a test for every vulnerability that concerns what there is', () => {
    expect(answers.length).toBeGreaterThan(25)
    expect(answers.filter((line) => !namedIn(line).some(stands))).toEqual([])
  })

  test('has each vulnerability of its numbering once: met, or of what is not there', () => {
    const ids = answers.map((line) => line.slice(2, 5))
    const absent = /^Of what is not there yet \((\d+)\): (.*)\.$/m.exec(page)
    const others = [...(absent?.[2] ?? '').matchAll(/\bA\d\d\b/g)].map(([id]) => id)
    expect(others).toHaveLength(Number(absent?.[1]))
    const groups = [[1, 7], [10, 20], [25, 29], [35, 39], [45, 53], [60, 65]] as const
    expect([...ids, ...others].sort()).toEqual(groups.flatMap(([from, to]) =>
      Array.from({ length: to - from + 1 }, (_, i) => `A${String(from + i).padStart(2, '0')}`)))
  })

  test('the reader of titles sees what is missing', () => {
    expect(namedIn('see `test/x/y.test.ts` "one", "two" and `src/z.ts` "three"')).toEqual([
      { path: 'test/x/y.test.ts', title: 'one' }, { path: 'test/x/y.test.ts', title: 'two' }])
    expect(stands({ path: 'test/docs-security.test.ts', title: 'no such title' })).toBe(false)
    expect(titlesOf('test/docs-security.test.ts')).toContain('the reader of titles sees what is missing')
  })
})

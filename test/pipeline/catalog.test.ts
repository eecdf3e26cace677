/** Plugins are found by reading a folder; `--sm-plugins` chooses among them. Architecture, section 4. */
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { choosePlugins, findPlugins, loadPlugin, type Found } from '../../src/pipeline/catalog.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plugins-'))
  await mkdir(join(folder, 'deep'))
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  await writeFile(join(folder, 'b.js'), "export default { id: 'b', initially: 'off' }")
  await writeFile(join(folder, 'a.js'), "export default { id: 'a', aliases: ['first'] }")
  await writeFile(join(folder, 'deep', 'index.js'), "export default { id: 'deep' }")
  await writeFile(join(folder, 'deep', 'part.js'), 'export const part = 1')
  await writeFile(join(folder, 'a.js.map'), '{}')
})
afterAll(() => rm(folder, { recursive: true }))

describe('the catalog', () => {
  test('finds files at the top and an index in each folder, and nothing else', async () => {
    expect((await findPlugins(folder)).map(({ declaration }) => declaration.id)).toEqual(['a', 'b', 'deep'])
  })

  test('says which file is no plugin', async () => {
    await expect(loadPlugin(join(folder, 'deep', 'part.js'))).rejects.toThrow(/part\.js is no plugin/)
  })

  const found = (...ids: readonly string[]): readonly Found[] => ids.map((id) => ({ declaration: { id }, file: `${id}.js` }))
  const ids = (choice: ReturnType<typeof choosePlugins>): readonly string[] => choice.plugins.map((p) => p.id)

  test('+id and id add, -id removes, by any name; threads behind an id are passed over', async () => {
    const all = await findPlugins(folder)
    expect(ids(choosePlugins(all, []))).toEqual(['a', 'deep'])
    expect(ids(choosePlugins(all, ['+b', '-first']))).toEqual(['b', 'deep'])
    expect(ids(choosePlugins(all, ['b=16', '-deep']))).toEqual(['a', 'b'])
  })

  test('a name that nobody has is a warning that lists those that exist', () => {
    expect(choosePlugins(found('a', 'b'), ['+c']).warnings).toEqual(['--sm-plugins: there is no plugin c; known: a, b'])
  })

  test('two files with one name are refused, both named', () => {
    const twice = [...found('a'), { declaration: { id: 'z', aliases: ['a'] }, file: 'z.js' }]
    expect(choosePlugins(twice, []).complaints).toEqual(['two plugins are called a: a.js and z.js'])
  })
})

/** The compiled pipeline as text for `--explain`: what runs, in which order, and who answers what. */
import { DOORS, PHASES, type IqTable, type KindTables, type Owned, type Pipeline, type Step } from './compile.js'

export function explain(pipeline: Pipeline): string {
  return [
    'plugins', ...pipeline.plugins.map((p) => `  ${p.id}${p.xep === undefined ? '' : ` (XEP-${String(p.xep.number).padStart(4, '0')})`}`),
    ...kind('message', pipeline.message),
    ...kind('presence', pipeline.presence),
    'iq', ...half('leaving', pipeline.iq.leaving), ...half('arriving', pipeline.iq.arriving),
    ...DOORS.flatMap((door) => [`  door ${door}`, ...answers(pipeline.doors[door])]),
    'audiences', ...names([...pipeline.audiences.keys()]),
    'life', ...Object.entries(pipeline.life).flatMap(([moment, table]) => row(moment, table)),
    ...row('accountRemoved', pipeline.accountRemoved),
    'features of the server', ...names(pipeline.disco.host.features),
    'features of an account', ...names(pipeline.disco.account.features)
  ].join('\n') + '\n'
}

function kind(name: string, tables: KindTables): readonly string[] {
  return [
    name, ...half('leaving', tables.leaving), ...half('arriving', tables.arriving),
    ...row('delivering', tables.delivering), ...row('stranded', tables.stranded)
  ]
}

function half(name: string, steps: readonly Step[] | null): readonly string[] {
  if (steps === null) return [`  ${name}: nobody`]
  return PHASES.flatMap((phase) => {
    const plugins = steps.filter((step) => step.phase === phase).map((step) => step.plugin)
    return plugins.length === 0 ? [] : [`  ${name} ${phase}: ${plugins.join(', ')}`]
  })
}

function row(name: string, table: readonly Owned<unknown>[] | null): readonly string[] {
  return [`  ${name}: ${table === null ? 'nobody' : table.map((o) => o.plugin).join(', ')}`]
}

function answers(table: IqTable): readonly string[] {
  const lines = [...table].flatMap(([ns, entries]) => [...entries].flatMap(([name, entry]) =>
    (['get', 'set'] as const).flatMap((type) => (entry[type] === undefined ? [] : [`    ${type} ${name} ${ns}: ${entry[type].plugin}`]))))
  return lines.length === 0 ? ['    nobody'] : lines.sort()
}

function names(list: readonly string[]): readonly string[] {
  return list.length === 0 ? ['  none'] : list.map((name) => `  ${name}`)
}

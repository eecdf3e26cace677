/**
 * Text that is made from the options' declarations: `init.properties.example` and `docs/options.md`. Pure; a script writes
 * the files and a test compares them.
 */
import type { Option, OptionGroup } from './option.js'
import { ABSENT } from './tigase-components.js'
import { BUILT_IN_PLUGINS, GLOBALS, OTHER_PLUGINS, type Rule } from './tigase.js'

export interface Section {
  readonly title: string
  readonly group: OptionGroup
}

const LINE_MAX = 100

function wrapped(text: string, lead: string): string {
  const lines: string[] = []
  let line = lead
  for (const word of text.split(' ')) {
    if (line.length + word.length + 1 > LINE_MAX && line !== lead) {
      lines.push(line)
      line = lead
    }
    line += ` ${word}`
  }
  return [...lines, line].join('\n')
}

const initialText = (option: Option<unknown>): string => (option.secret === true ? '' : option.print(option.initial))

function exampleOption(option: Option<unknown>): string {
  return `${wrapped(option.why, '#')}\n#${option.name}=${(initialText(option) || (option.example ?? '')).replaceAll('\\', '\\\\')}\n`
}

/** Every option with its default, commented out, so that the file changes nothing until a line is uncommented. */
export function exampleText(sections: readonly Section[]): string {
  const head = [
    '# Starling reads this file as etc/init.properties, as init.properties, or where --property-file says.',
    '# Java Properties syntax: a backslash escapes, and joins lines at their end. On the command line the same',
    '# --option=value wins. Every option is here with its default; remove the # to change one.',
    '#',
    '# A cluster: the same file on all nodes, with one database and one more line:',
    '#--user-db=pgsql',
    '#--user-db-uri=jdbc:postgresql://db.example.com/starling?user=starling&password=...',
    '#--cluster-mode=true', ''
  ]
  const parts = sections.map(({ title, group }) => [`### ${title}`, '', ...Object.values(group).map(exampleOption)].join('\n'))
  return `${[...head, ...parts].join('\n').trimEnd()}\n`
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
const code = (text: string): string => (text === '' ? '' : `\`${text.replaceAll('|', '\\|')}\``)

function manualRow(option: Option<unknown>): string {
  const variable = option.environment === undefined ? '' : ` Also the variable \`${option.environment}\`.`
  return `| ${code(option.name)} | ${cell(option.kind)} | ${code(initialText(option))} | ${cell(option.why)}${variable} |`
}

function ruleText({ to, instead, fine }: Rule): string {
  const known = to === undefined ? '' : `the same as ${code(to)}`
  const rest = instead === undefined ? '' : `ignored: ${cell(instead)}`
  const quiet = fine === undefined ? '' : ` (no warning for ${code(fine.source)})`
  return `${[known, rest].filter((part) => part !== '').join('; else ')}${quiet}`
}

const twoColumns = (head: string, rows: readonly (readonly [string, string])[]): string =>
  [`| ${head} |`, '| --- | --- |', ...rows.map(([a, b]) => `| ${a} | ${b} |`)].join('\n')

export function manualText(sections: readonly Section[]): string {
  const declared = new Set(sections.flatMap(({ group }) => Object.values(group).map((option) => option.name)))
  const tables = sections.map(({ title, group }) => [
    `## ${title}`, '', '| option | value | default | what for |', '| --- | --- | --- | --- |', ...Object.values(group).map(manualRow), ''
  ].join('\n'))
  const others = Object.entries(GLOBALS).filter(([name]) => !declared.has(name))
  return [
    '# Options', '',
    'Made from the declarations in the sources by `npm run generate`. Options stand in `init.properties` (Java Properties',
    'syntax) or on the command line, which wins. An unknown option stops the start, with the nearest known name.',
    'Files are named by `--property-file=F,F2` on the command line or by the variable `STARLING_PROPERTY_FILE`, later ones',
    'win; else it is `etc/init.properties`, or `init.properties`.', '',
    ...tables,
    '## Options of Tigase that mean something else here', '',
    'Known by name: the node starts, and each that changes nothing gives one warning.', '',
    twoColumns('option | here', others.map(([name, rule]) => [code(name), ruleText(rule)])), '',
    '## Components of Tigase that are not here', '',
    'All lines `component/...` of one are ignored with one warning.', '',
    twoColumns('component | instead', Object.entries(ABSENT).map(([name, text]) => [code(name), cell(text)])), '',
    '## Plugins of Tigase', '',
    `Their work is always done, by a plugin of that name or by the server itself: ${[...BUILT_IN_PLUGINS].map(code).join(', ')}.`, '',
    twoColumns('not offered | instead', Object.entries(OTHER_PLUGINS).map(([id, text]) => [code(id), cell(text)])), ''
  ].join('\n')
}

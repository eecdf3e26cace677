/**
 * Writes the files that are made from the sources' declarations: init.properties.example, docs/options.md, docs/xeps.md
 * and doap.xml. Needs the build. With --check it writes nothing and names the files that are stale.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exampleText, manualText } from '../dist/config/generate.js'
import { knownPlugins } from '../dist/chosen-plugins.js'
import { sections } from '../dist/groups.js'

const root = join(import.meta.dirname, '..')

/** Specifications that the server's rooms obey, not one plugin. */
const RFCS = [
  [6120, 'XMPP: Core', 'clients\' streams; no server-to-server'], [6121, 'XMPP: Instant Messaging and Presence', ''],
  [7622, 'XMPP: Address Format', ''], [7590, 'Use of TLS in XMPP', ''], [7395, 'XMPP Subprotocol for WebSocket', ''],
  [6455, 'The WebSocket Protocol', ''], [4422, 'SASL', ''], [4616, 'The PLAIN SASL Mechanism', 'over TLS'],
  [5802, 'SCRAM', 'SHA-1, with channel binding'], [7677, 'SCRAM-SHA-256', 'and SHA-512 likewise'],
  [4505, 'Anonymous SASL', 'where --virt-hosts says :anon'],
  [5929, 'Channel Bindings for TLS', 'tls-server-end-point'],
  [9266, 'Channel Bindings for TLS 1.3', 'tls-exporter, with TLS 1.3'], [4013, 'SASLprep', ''],
  [8264, 'PRECIS Framework', ''], [8265, 'PRECIS: Usernames and Passwords', '']
]
const XEPS_OF_ROOMS = [
  { number: 82, version: '1.1.1', title: 'XMPP Date and Time Profiles', room: 'xmpp' },
  { number: 124, version: '1.11.2', title: 'Bidirectional-streams Over Synchronous HTTP (BOSH)', room: 'transport' },
  { number: 156, version: '1.4.0', title: 'Discovering Alternative XMPP Connection Methods', room: 'transport', note: 'HTTP' },
  { number: 178, version: '1.2', title: 'Best Practices for Use of SASL EXTERNAL with Certificates', room: 'stream',
    note: 'clients, where --tls-client-ca is given' },
  { number: 203, version: '2.0', title: 'Delayed Delivery', room: 'xmpp' },
  { number: 206, version: '1.4', title: 'XMPP Over BOSH', room: 'transport' },
  { number: 352, version: '1.0.0', title: 'Client State Indication', room: 'stream' },
  { number: 386, version: '1.1.0', title: 'Bind 2', room: 'stream', note: 'without an archive: no metadata' },
  { number: 388, version: '1.0.4', title: 'Extensible SASL Profile', room: 'stream', note: 'over TLS' },
  { number: 440, version: '1.0.0', title: 'SASL Channel-Binding Type Capability', room: 'stream' },
  { number: 474, version: '0.5.0', title: 'SASL SCRAM Downgrade Protection', room: 'stream' },
  { number: 478, version: '0.2.0', title: 'Stream Limits Advertisement', room: 'stream' },
  { number: 480, version: '0.2.0', title: 'SASL Upgrade Tasks', room: 'stream', note: 'SCRAM-SHA-256 and SCRAM-SHA-512' },
  { number: 484, version: '0.2.0', title: 'Fast Authentication Streamlining Tokens', room: 'stream', note: 'no TLS 0-RTT' }
]

const { description, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const declarations = (await knownPlugins()).map(({ declaration }) => declaration)
const byId = [...declarations].sort((a, b) => (a.id < b.id ? -1 : 1))
const four = (number) => String(number).padStart(4, '0')

const xeps = [
  ...byId.filter(({ xep }) => xep !== undefined).map(({ id, xep, initially }) =>
    ({ note: '', ...xep, where: `plugin \`${id}\`${initially === 'off' ? ' (off unless asked for)' : ''}` })),
  ...XEPS_OF_ROOMS.map((one) => ({ note: '', ...one, where: 'always there' }))
].sort((a, b) => a.number - b.number)

/** Options of plugins, as lines of init.properties; a colon in a key is escaped there. */
function pluginSections(escape) {
  return byId.filter(({ config }) => Object.keys(config ?? {}).length > 0).map(({ id, config }) => ({
    title: `Plugin ${id}`,
    group: Object.fromEntries(Object.entries(config).map(([field, option]) =>
      [field, { ...option, name: escape(`sess-man/plugins-conf/${id}/${option.name}`) }]))
  }))
}

function xepsText() {
  const codes = (names = []) => names.map((name) => `\`${name}\``).join(', ')
  const rfcRow = ([number, title, note]) => `| [RFC ${number}](https://www.rfc-editor.org/rfc/rfc${number}) | ${title} | ${note} |`
  const xepRow = ({ number, version, title, where, note }) =>
    `| [XEP-${four(number)}](https://xmpp.org/extensions/xep-${four(number)}.html) | ${title ?? ''} | ${version} | ${where} | ${note} |`
  const pluginRow = ({ id, aliases, xep, initially, needs }) =>
    `| \`${id}\` | ${codes(aliases)} | ${xep === undefined ? 'RFC 6121' : `XEP-${four(xep.number)}`} | ${codes(needs)} ` +
    `| ${initially === 'off' ? 'off' : 'on'} |`
  return [
    '# What Starling speaks', '',
    'Made from the declarations in the sources by `npm run generate`. A plugin is switched off with `--sm-plugins=-id`.', '',
    '## RFCs', '', '| RFC | title | remarks |', '| --- | --- | --- |', ...RFCS.map(rfcRow), '',
    '## XEPs', '', '| XEP | title | version | where | remarks |', '| --- | --- | --- | --- | --- |', ...xeps.map(xepRow), '',
    '## Plugins', '', '| id | also | specification | needs | at first |', '| --- | --- | --- | --- | --- |', ...byId.map(pluginRow), ''
  ].join('\n')
}

const escapeXml = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

/** XEP-0453. */
function doapText() {
  const rfc = ([number]) => `    <implements rdf:resource="https://www.rfc-editor.org/info/rfc${number}"/>`
  const xep = ({ number, version, note }) => [
    '    <implements>', '      <xmpp:SupportedXep>',
    `        <xmpp:xep rdf:resource="https://xmpp.org/extensions/xep-${four(number)}.html"/>`,
    `        <xmpp:version>${version}</xmpp:version>`, `        <xmpp:status>${note === '' ? 'complete' : 'partial'}</xmpp:status>`,
    ...(note === '' ? [] : [`        <xmpp:note xml:lang="en">${escapeXml(note)}</xmpp:note>`]),
    '      </xmpp:SupportedXep>', '    </implements>'
  ].join('\n')
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!-- Made from the declarations in the sources by "npm run generate". -->',
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://usefulinc.com/ns/doap#"',
    '  xmlns:xmpp="https://linkmauve.fr/ns/xmpp-doap#">',
    '  <Project>', '    <name>Starling</name>', `    <shortdesc xml:lang="en">${escapeXml(description)}</shortdesc>`,
    `    <license rdf:resource="https://spdx.org/licenses/${license}.html"/>`,
    '    <programming-language>TypeScript</programming-language>', '    <os>Linux</os>',
    '    <category rdf:resource="https://linkmauve.fr/ns/xmpp-doap#category-xmpp"/>',
    '    <category rdf:resource="https://linkmauve.fr/ns/xmpp-doap#category-server"/>',
    ...RFCS.map(rfc), ...xeps.map(xep), '  </Project>', '</rdf:RDF>', ''
  ].join('\n')
}

const files = {
  'init.properties.example': exampleText([...sections(), ...pluginSections((name) => name.replaceAll(':', '\\:'))]),
  'docs/options.md': manualText([...sections(), ...pluginSections((name) => name)]),
  'docs/xeps.md': xepsText(),
  'doap.xml': doapText()
}

function isStale([name, text]) {
  try {
    return readFileSync(join(root, name), 'utf8') !== text
  } catch {
    return true
  }
}

const stale = Object.entries(files).filter(isStale)
const check = process.argv.includes('--check')
for (const [name, text] of stale) {
  if (!check) writeFileSync(join(root, name), text)
  process.stdout.write(`${name} ${check ? 'is stale: run npm run generate' : 'written'}\n`)
}
if (check && stale.length > 0) process.exitCode = 1

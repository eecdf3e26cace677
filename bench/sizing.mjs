/**
 * The tables of docs/sizing.md, computed from figures that were measured: put new ones into FIGURES, then
 * `npm run build && node bench/sizing.mjs --write`
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { BYTES } from './frames.mjs'

const PAGE = new URL('../docs/sizing.md', import.meta.url)

/** CPU-µs, bytes, statements; where each is from stands in docs/sizing.md. */
const FIGURES = {
  message: 5.9, hop: 3.7, delivery: 3.3, login: 465, handshake: 1_000,
  session: 8_000, tls: 42_000, base: 105e6,
  contact: 372, known: 298 + 312, sight: 305,
  entry: 1_066, hear: 10,
  cached: 20_000,
  ask: 127, read: 57, write: 460,                 // a statement: CPU-µs of the member, of PostgreSQL for a read and for a write
  ...BYTES
}

/** What people do in their busiest hour, each. */
const PEOPLE = { contacts: 50, online: 0.2, messages: 30, changes: 2, logins: 1 }

/** @param sessions online @param nodes members of the cluster, each worker counted */
function size(sessions, nodes, f = FIGURES, p = PEOPLE) {
  const each = sessions / nodes
  const elsewhere = (nodes - 1) / nodes
  const seen = p.contacts * p.online
  const messages = sessions * p.messages / 3600
  const logins = sessions * p.logins / 3600
  const presences = sessions * (p.changes + 2 * p.logins) / 3600
  const accounts = sessions / p.online
  // members that hold a contact who is online: envelopes of one presence
  const envelopes = nodes === 1 ? 0 : (nodes - 1) * (1 - (1 - 1 / nodes) ** seen)
  // the share of contacts whose account is not among those that a node keeps: nearly all accounts are somebody's contact on each node
  const touched = accounts * (1 - Math.exp(-each * p.contacts / accounts))
  const missed = Math.max(0, 1 - f.cached / touched)
  const changes = presences + logins * 2           // of the directory: here, shown, each change, hidden, gone
  const bytesOfChanges = logins * (f.here * 2 + f.gone + f.shown + f.bound) + sessions * p.changes / 3600 * f.shown
  const loginStatements = logins * (6 + 3 * missed)
  const contactStatements = missed * p.contacts * (2 * presences + logins)
  const statements = loginStatements + contactStatements
  return {
    each,
    rssPlain: f.base + each * f.session,
    rssTls: f.base + each * (f.session + f.tls),
    kept: Math.min(f.cached, touched) * (f.known + p.contacts * f.contact) + each * seen * elsewhere * f.sight,
    directory: nodes === 1 ? 0 : (sessions - each) * f.entry,
    links: nodes - 1,
    allLinks: nodes * (nodes - 1) / 2,
    descriptors: each + nodes - 1 + 12 + 40,
    messages, logins, presences,
    coresMessages: messages * (f.message + f.hop * elsewhere) / 1e6,
    coresPresence: presences * (seen * f.delivery + envelopes * f.hop) / 1e6,
    coresLogins: logins * (f.login + f.handshake) / 1e6,
    coresDirectory: nodes === 1 ? 0 : elsewhere * changes * f.hear / 1e6,
    directoryIn: nodes === 1 ? 0 : bytesOfChanges * elsewhere,
    resyncBytes: (sessions - each) * f.shown,
    resyncSeconds: (sessions - each) * f.hear / 1e6,
    broadcastAsked: messages * elsewhere,
    broadcastIn: messages * elsewhere * (f.route + f.none) + presences * elsewhere * (f.presence + (p.contacts - 1) * f.addressee + f.none),
    broadcastLookups: messages * elsewhere + presences * elsewhere * p.contacts,
    beats: nodes * 3,
    beatRows: nodes * nodes,
    missed,
    loginStatements,
    contactStatements,
    writes: logins * 2,
    coresAsking: statements * f.ask / 1e6,
    coresDatabase: ((statements - logins * 2) * f.read + logins * 2 * f.write) / 1e6
  }
}

const number = (value, digits = 0) => value.toLocaleString('en-US', { maximumFractionDigits: digits })
const bytes = (value) => (value >= 1e9 ? `${number(value / 1e9, 1)} GB` : `${number(value / 1e6, value < 1e7 ? 1 : 0)} MB`)

const ROWS = [
  ['sessions a member', (s) => number(s.each)],
  ['RSS of a member, plain / TLS (without the two rows below)', (s) => `${bytes(s.rssPlain)} / ${bytes(s.rssTls)}`],
  ['what it keeps of accounts and contacts', (s) => bytes(s.kept)],
  ['directory of `online-users-caching`, on each member', (s) => bytes(s.directory)],
  ['links of a member / in all', (s) => `${number(s.links)} / ${number(s.allLinks)}`],
  ['descriptors of a member', (s) => number(s.descriptors)],
  ['messages / presences / logins a second', (s) => [s.messages, s.presences, s.logins].map((n) => number(n, n < 10 ? 1 : 0)).join(' / ')],
  ['cores for messages / presence / logins over TLS, all members', (s) => [s.coresMessages, s.coresPresence, s.coresLogins].map((n) => number(n, 2)).join(' / ')],
  ['directory: bytes a second into each member; cores of one', (s) => `${bytes(s.directoryIn)}; ${number(s.coresDirectory, 3)}`],
  ['directory: a member that starts gets', (s) => `${bytes(s.resyncBytes)}, ${number(s.resyncSeconds, 1)} s of its core`],
  ['`broadcast`: bytes a second into each member; look-ups a second', (s) => `${bytes(s.broadcastIn)}; ${number(s.broadcastLookups)}`],
  ['statements a second: beats (rows read)', (s) => `${number(s.beats)} (${number(s.beatRows)})`],
  ['… logins and logouts (of these writes)', (s) => `${number(s.loginStatements)} (${number(s.writes)})`],
  ['… contacts that are not kept (share of misses)', (s) => `${number(s.contactStatements)} (${number(s.missed * 100)} %)`],
  ['cores for statements: all members / PostgreSQL', (s) => `${number(s.coresAsking, 2)} / ${number(s.coresDatabase, 2)}`]
]

const table = (head, rows) => [`| ${head.join(' | ')} |`, `|${'---|'.repeat(head.length)}`, ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n')

const FRAMES = [
  ['ROUTE of a message, its addresses new; one more in it, all known', `${BYTES.route}; ${BYTES.again}`],
  ['ANSWER, alone; one more in it', `${BYTES.answer}; ${BYTES.none}`],
  ['ROUTE of a presence to one contact; each further one', `${BYTES.presence}; ${BYTES.addressee}`],
  ['ACK (of a lane, once a turn)', BYTES.ack], ['BOUND, at each login', BYTES.bound],
  ['REG: a change of the directory, alone', `${BYTES.reg} and the change`],
  ['its changes: here / shown / gone', `${BYTES.here} / ${BYTES.shown} / ${BYTES.gone}`]
]

function sizes() {
  const all = [[1e4, 1], [1e4, 2], [1e6, 20], [1e7, 200]].map(([sessions, nodes]) => ({ nodes, sessions, ...size(sessions, nodes) }))
  return table(['sessions on members', ...all.map(({ sessions, nodes }) => `${number(sessions)} on ${nodes}`)],
    ROWS.map(([what, show]) => [what, ...all.map(show)]))
}

const blocks = { frames: table(['frame', 'bytes'], FRAMES), sizes: sizes() }
if (process.argv[2] === '--write') {
  const page = readFileSync(PAGE, 'utf8')
  writeFileSync(PAGE, Object.entries(blocks).reduce((text, [name, block]) =>
    text.replace(new RegExp(`(<!-- ${name} -->)[^]*(<!-- /${name} -->)`), `$1\n${block}\n$2`), page))
} else for (const block of Object.values(blocks)) console.log(`${block}\n`)

/**
 * The house's plan as data: floors, who may import which library, budgets. Raising a number here is a reviewed edit.
 */
export const FLOORS: Readonly<Record<string, number>> = {
  xml: 0, config: 0, telemetry: 0,
  rules: 1, xmpp: 1,
  storage: 2, transport: 2,
  stream: 3, session: 4, pipeline: 5, router: 6,
  cluster: 7, federation: 7,
  plugins: 8, admin: 8,
  '': 9
}

/** Floors 0 and 1 are the foundation: what stands there is open to all above, and rules and xmpp may use each other's values. */
export const SIDEWAYS_ALLOWED: readonly (readonly [string, string])[] = [
  // Pure logic speaks in the protocol's values.
  ['rules', 'xmpp']
]

/** Rooms that may import only these files or rooms (besides their own files). */
export const NARROW_DOORS: Readonly<Record<string, readonly string[]>> = {
  plugins: ['pipeline/api.ts', 'rules/', 'xmpp/', 'xml/'],
  stream: ['transport/transport.ts', 'rules/', 'xmpp/', 'xml/', 'config/', 'telemetry/']
}

/** Imports that may be types only. */
export const TYPES_ONLY: readonly (readonly [from: string, to: string])[] = [['pipeline', 'storage']]

/** One library, one room. Node's own modules are open to every room. */
export const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  ltx: ['xml'],
  '@xmpp/xml': ['xml'],
  'dot-properties': ['config'],
  pino: ['telemetry'],
  'prom-client': ['telemetry'],
  knex: ['storage'],
  pg: ['storage'],
  mysql2: ['storage'],
  libsql: ['storage'],
  ws: ['transport'],
  '@peculiar/x509': ['transport'],
  'reflect-metadata': ['transport'],
  '@mongodb-js/saslprep': ['xmpp'],
  'lru-cache': ['xmpp', 'pipeline'],
  commander: ['admin']
}

export const ENGINE_ROOMS = ['stream', 'session', 'pipeline', 'router', 'cluster'] as const
export const OUTSIDE_CORE = ['plugins', 'rules', 'federation', 'admin'] as const

/** Lines of source, blank lines and comments included. */
export const BUDGETS = { file: 400, engine: 14_600, core: 29_600, pluginMedian: 80, main: 60, server: 200 } as const

/** Files that nothing imports, because something else starts or finds them. */
export const ENTRIES: readonly RegExp[] = [
  /^main\.ts$/, /^plugins\/[^/]+\.ts$/, /^plugins\/[^/]+\/index\.ts$/, /-worker\.ts$/,
  // The transport of plays: tests and plugin writers run streams without sockets.
  /^transport\/memory\.ts$/
]

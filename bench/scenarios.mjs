/**
 * What is measured, as data. `load`: arguments of the load generator; `figure`: which of its numbers counts; `start`: what the server
 * needs; `reach`: on which nodes receivers are; `ours`: no peer does this; `held`: sessions that do nothing meanwhile; `before`:
 * how often the same is done and not counted. Scenarios with the same `start` share one process, in this order, on both sides.
 * `probe.mjs` knows what the other words mean.
 */
export const chat = (pairs, window) => ['--scenario', 'chat', '--pairs', pairs, '--window', window]
const cpu = { figure: 'server_cpu_us_per_unit', unit: 'CPU-µs' }
const perSecond = { figure: 'units_per_server_cpu_s', unit: 'a CPU second', more: true }
const login = ['--scenario', 'login', '--n', 2000, '--mech', 'SCRAM-SHA-1']
const bind = [...login, '--presence', 0]
const full = [...login, '--roster', 1]
/** What chat gets in its 1.5 s: code that has run often. 6,000 logins. */
const WARM = { before: 3 }

const SMALL = { accounts: 200 }
const MANY = { accounts: 2000 }
const IDLE = { accounts: 19_000 }
const CACHING = { accounts: 200, nodes: 2, strategy: 'online-users-caching' }
/** Two nodes of five talk; the other three have no users. */
const BESIDE = { load: chat(100, 8), reach: 'second', ours: true }
/** An order of connecting in which, taken in turn by two workers, 50 of 100 pairs are on one worker and 50 are not. */
const spread = [...chat(100, 8), '--shuffle', 21]

const BASE = {
  'chat-1': { load: chat(1, 1), figure: 'p50_us', unit: 'µs, p50', start: SMALL, tls: true, sm: true },
  'chat-100x1': { load: chat(100, 1), ...cpu, start: SMALL, tls: true, sm: true },
  'chat-100x8': { load: chat(100, 8), ...cpu, start: SMALL, tls: true, sm: true },
  'chat-100x64': { load: chat(100, 64), ...cpu, start: SMALL, tls: true, sm: true },
  // Once more, for what is compared with it: as `-sm` in a process of its own, and in the same slice of a long run, for an hour later the
  // machine may be a tenth slower.
  ...Object.fromEntries([1, 8, 64].map((window) => [
    `plain-100x${window}`, { load: chat(100, window), ...cpu, start: { ...SMALL, alone: `plain-${window}` }, ours: true }
  ])),
  'presence-100': { load: ['--scenario', 'presence', '--n', 101, '--window', 4], ...cpu, start: SMALL, sm: true },
  'ping-100x8': { load: ['--scenario', 'iq', '--n', 100, '--window', 8], ...cpu, start: SMALL, tls: true, sm: true },
  'login-bind': { load: bind, ...WARM, ...perSecond, start: MANY, tls: true },
  'login-full': { load: full, ...WARM, ...perSecond, start: MANY, tls: true },
  'login-bind-cold': { load: bind, ...perSecond, start: { ...MANY, alone: 'bind' } },
  'login-full-cold': { load: full, ...perSecond, start: { ...MANY, alone: 'full' } },
  'idle-19000': { load: ['--scenario', 'idle', '--n', 19_000, '--settle', 60], figure: 'rss_kb_per_conn', unit: 'KB', start: IDLE, once: true },
  'idle-tls-2000': {
    load: ['--scenario', 'idle', '--n', 2000, '--settle', 60, '--tls', 'direct'], figure: 'rss_kb_per_conn', unit: 'KB',
    start: { accounts: 2000, alone: 'tls' }, once: true
  },
  'same-100x1': { load: chat(100, 1), ...cpu, start: { accounts: 200, nodes: 2 } },
  'cluster-100x1': { load: chat(100, 1), reach: 'second', ...cpu, start: { accounts: 200, nodes: 2 } },
  'same-100x8': { load: chat(100, 8), ...cpu, start: { accounts: 200, nodes: 2 } },
  'cluster-100x8': { load: chat(100, 8), reach: 'second', ...cpu, start: { accounts: 200, nodes: 2 } },
  'cluster-100x64': { load: chat(100, 64), reach: 'second', ...cpu, start: { accounts: 200, nodes: 2 } },
  'same-100x1-caching': { load: chat(100, 1), ...cpu, start: CACHING, ours: true },
  'cluster-100x1-caching': { load: chat(100, 1), reach: 'second', ...cpu, start: CACHING, ours: true },
  'same-100x8-caching': { load: chat(100, 8), ...cpu, start: CACHING, ours: true },
  'cluster-100x8-caching': { load: chat(100, 8), reach: 'second', ...cpu, start: CACHING, ours: true },
  'cluster-100x64-caching': { load: chat(100, 64), reach: 'second', ...cpu, start: CACHING, ours: true },
  'bystander-100x8': { ...BESIDE, bystander: 'cost', unit: 'CPU-µs a message, each', start: { accounts: 200, nodes: 5 } },
  'bystander-100x8-caching': {
    ...BESIDE, bystander: 'share', unit: '% of a core above idle, each', start: { ...CACHING, nodes: 5 }
  },
  'workers-1': { load: spread, ...cpu, start: { accounts: 200, workers: 1, alone: 'workers' }, ours: true },
  'workers-2': { load: spread, ...cpu, start: { accounts: 200, workers: 2 }, ours: true },
  collector: {
    load: chat(100, 8), held: 19_000, unit: 'ms', start: { accounts: 19_200, node: ['--trace-gc'] }, once: true, ours: true
  },
  age: { load: chat(100, 8), logins: 20_000, ...cpu, start: { accounts: 2000, alone: 'age' } }
}

/** Every scenario by name, with `-tls` and `-sm` where that makes sense. */
export const SCENARIOS = Object.fromEntries(Object.entries(BASE).flatMap(([name, scenario]) => [
  [name, scenario],
  ...(scenario.tls ? [[`${name}-tls`, { ...scenario, load: [...scenario.load, '--tls', 'direct'] }]] : []),
  // Alone: what was on the way when the one before ended is kept for whoever comes next, as stream management promises.
  ...(scenario.sm
    ? [[`${name}-sm`, { ...scenario, load: [...scenario.load, '--sm', 5], start: { ...scenario.start, alone: `${name}-sm` } }]]
    : [])
]))

/** What `npm run bench` runs without a name. */
export const USUAL = [
  ...Object.keys(BASE), 'chat-100x8-tls', 'chat-100x1-sm', 'chat-100x8-sm', 'chat-100x64-sm', 'login-bind-tls'
]

/** The smoke test of the bench itself: correct, not fast. */
export const SHORT = ['chat-100x8', 'presence-100', 'ping-100x8']

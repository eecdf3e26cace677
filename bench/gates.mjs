/** The goals that every release is held against, as ratios to a peer measured beside it, or as figures of its own. */
const ratio = (row, who = 'ejabberd') => row?.peers[who]?.ratio

/** `must` and `aim`; `value` finds the figure in the rows, `undefined` when it was not measured. */
export const GATES = [
  ...[['chat-100x1', 0.30, 0.25], ['chat-100x8', 0.22, 0.15], ['chat-100x64', 0.18, 0.10]].map(([name, must, aim]) => (
    { what: `${name}: CPU a message, of ejabberd's`, must, aim, value: (rows) => ratio(rows.get(name)) })),
  { what: "lone pair p50, of ejabberd's", must: 0.80, aim: 0.60, value: (rows) => ratio(rows.get('chat-1')) },
  { what: "presence to 100 contacts, a delivery, of ejabberd's", must: 0.17, aim: 0.10, value: (rows) => ratio(rows.get('presence-100')) },
  { what: "ping, of ejabberd's", must: 0.20, aim: 0.13, value: (rows) => ratio(rows.get('ping-100x8')) },
  { what: "logins a CPU second, bind, times ejabberd's", must: 2.2, aim: 3.5, more: true, value: (rows) => ratio(rows.get('login-bind')) },
  { what: "logins a CPU second, full, times ejabberd's", must: 2.2, aim: 3.2, more: true, value: (rows) => ratio(rows.get('login-full')) },
  { what: 'KB an idle session, 19,000', must: 12, aim: 9, value: (rows) => rows.get('idle-19000')?.ours },
  { what: 'KB an idle TLS session, 2,000', must: 45, aim: 40, value: (rows) => rows.get('idle-tls-2000')?.ours },
  ...[[1, 6, 4], [8, 4, 2.5]].map(([w, must, aim]) => (
    { what: `hop to the other node, added CPU-µs, W=${w}`, must, aim, value: (rows) => less(rows.get(`cluster-100x${w}`), rows.get(`same-100x${w}`)) })),
  ...[1, 8, 64].map((w) => (
    { what: `stream management on both sides, W=${w}: times the cost without`, must: 1.35, aim: 1.20, value: (rows) => over(rows.get(`chat-100x${w}-sm`), rows.get(`plain-100x${w}`)) })),
  { what: 'TLS: more than plain, W=8, CPU-µs', must: 3, aim: 2, value: (rows) => less(rows.get('chat-100x8-tls'), rows.get('plain-100x8')) },
  { what: 'chat after 20,000 logins, of a fresh process', must: 1.10, aim: 1.03, value: (rows) => rows.get('age')?.ours },
  { what: 'longest pause of the collector, 19,000 sessions held, ms', must: 20, aim: 10, value: (rows) => rows.get('collector')?.ours },
  { what: 'p99 / p50, 100 pairs, W=8', must: 3, aim: 2, value: (rows) => rows.get('chat-100x8')?.tail },
  ...[[1, 6, 4], [8, 4, 2.5]].map(([w, must, aim]) => ({
    what: `hop with the caching strategy, added CPU-µs, W=${w}`, must, aim,
    value: (rows) => less(rows.get(`cluster-100x${w}-caching`), rows.get(`same-100x${w}-caching`))
  })),
  { what: 'bystander with the caching strategy, % of a core above idle', must: 0.5, aim: 0.1, value: (rows) => rows.get('bystander-100x8-caching')?.ours },
  { what: 'two workers: messages, times those of one, load generator set aside', must: 1.7, aim: 1.85, more: true, value: (rows) => workers(rows)?.ratio },
  ...['p50', 'p99'].map((which) => ({
    what: `two workers: ${which}, of one worker's`, must: 1, aim: 0.8, value: (rows) => {
      const sum = workers(rows)
      return sum === undefined ? undefined : sum.two[which] / sum.one[which]
    }
  }))
]

/** Two workers beside one: `ratio` of what fits into the cores that they may have, `shared` as it was with the generator among them. */
export function workers(rows) {
  const one = rows.get('workers-1')
  const two = rows.get('workers-2')
  if (one === undefined || two === undefined) return undefined
  return { one, two, ratio: 2 * one.ours / two.ours, shared: two.perSecond / one.perSecond }
}

const less = (a, b) => (a === undefined || b === undefined ? undefined : a.ours - b.ours)
const over = (a, b) => (a === undefined || b === undefined ? undefined : a.ours / b.ours)

/** @returns one line for each gate that was measured: aim, met or missed */
export function judge(list) {
  const rows = new Map(list.map((row) => [row.scenario, row]))
  return GATES.flatMap(({ what, must, aim, more, value }) => {
    const got = value(rows)
    if (got === undefined) return []
    const reaches = (goal) => (more === true ? got >= goal : got <= goal)
    return [{ what, must, aim, got, verdict: reaches(aim) ? 'aim' : reaches(must) ? 'met' : 'missed' }]
  })
}

/** Rows that do not run here yet, each with its reason. A row that runs is not in this list; `corpus.test.ts` compares. */
const range = (letter: string, ...numbers: readonly number[]): readonly string[] => numbers.map((n) =>
  `${letter}${String(n).padStart(2, '0')}`)
const from = (letter: string, first: number, last: number): readonly string[] =>
  range(letter, ...Array.from({ length: last - first + 1 }, (_, i) => first + i))

const REASONS: readonly (readonly [reason: string, ids: readonly string[]])[] = [
  ['stream management', from('M', 1, 18)],
  ['SASL2, FAST and channel binding', range('L', 20, 22, 23, 29, 30, 31, 32, 33, 34, 35, 39, 41, 42, 43, 44, 45, 47, 48)],
  ['faults of the database: to be played', range('L', 36)],
  ['carbons', range('T', 16)],
  ['archive', [...range('T', 17, 18), ...range('Q', 18, 19, 20, 23)]],
  ['rooms', [...range('T', 19), ...range('Q', 24, 25, 26, 27, 28, 29, 41, 42, 43)]],
  ['pubsub', range('Q', 21, 22, 40)],
  ['ad-hoc commands', range('Q', 30, 31, 44)],
  ['multicast', range('T', 20)],
  ['traffic shaping', range('T', 22)],
  ['federation', range('T', 25, 26)],
  ['a figure of speed: for the benchmarks', range('J', 19)],
  ['no wire in it: proved in the tests of the values', range('J', 22)],
  ['IQs: to be played', range('Q', 12, 34, 38)],
  ['WebSocket resumption', range('W', 21)],
  ['durability', range('K', 12, 13)],
  ['a node that stops reading for 15 s: proved in the tests of the cluster', range('K', 15)],
  ['HTTP upload', from('U', 1, 19)],
  ['configuration that changes while it runs, or only warns', range('C', 7, 14, 16)],
  ['faults of machines: no chapter in this runner yet', from('D', 1, 29)]
]

export const NOT_YET: ReadonlyMap<string, string> = new Map(REASONS.flatMap(([reason, ids]) => ids.map((id) => [id, reason] as const)))

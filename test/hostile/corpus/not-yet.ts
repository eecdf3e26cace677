/** Rows of features that are not there, or of faults that no test makes yet, each with its reason. `corpus.test.ts` compares. */
const range = (letter: string, ...numbers: readonly number[]): readonly string[] => numbers.map((n) =>
  `${letter}${String(n).padStart(2, '0')}`)
const from = (letter: string, first: number, last: number): readonly string[] =>
  range(letter, ...Array.from({ length: last - first + 1 }, (_, i) => first + i))

const REASONS: readonly (readonly [reason: string, ids: readonly string[]])[] = [
  ['carbons', range('T', 16)],
  ['archive', [...range('T', 17), ...range('Q', 18, 19, 20, 23)]],
  ['rooms', [...range('T', 19), ...range('Q', 24, 25, 26, 27, 28, 29, 41, 42, 43)]],
  ['pubsub', range('Q', 21, 22, 40)],
  ['ad-hoc commands', range('Q', 30, 31, 44)],
  ['multicast', range('T', 20)],
  ['federation', [...range('T', 25, 26), ...range('D', 24)]],
  ['durability', [...range('K', 12, 13), ...range('D', 11)]],
  ['HTTP upload', from('U', 1, 19)],
  ['a file of SQLite that is taken away while a node runs', range('D', 15)],
  ['a disk of the database that is full', range('D', 16)],
  ['a heap that is nearly full', range('D', 22)]
]

export const NOT_YET: ReadonlyMap<string, string> = new Map(REASONS.flatMap(([reason, ids]) => ids.map((id) => [id, reason] as const)))

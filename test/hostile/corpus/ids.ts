/** Ids of the whole corpus: what it has, whether it runs here yet or not. Ids are stable; a new row gets a new number. */
export interface Chapter {
  readonly letter: string
  readonly count: number
  readonly about: string
}

export const CHAPTERS: readonly Chapter[] = [
  { letter: 'X', count: 48, about: 'XML' },
  { letter: 'S', count: 43, about: 'streams' },
  { letter: 'M', count: 18, about: 'stream management' },
  { letter: 'L', count: 48, about: 'SASL, SASL2, FAST' },
  { letter: 'T', count: 27, about: 'stanzas' },
  { letter: 'J', count: 27, about: 'addresses' },
  { letter: 'Q', count: 46, about: 'IQs' },
  { letter: 'H', count: 25, about: 'BOSH' },
  { letter: 'W', count: 28, about: 'WebSocket' },
  { letter: 'K', count: 25, about: 'the cluster port' },
  { letter: 'U', count: 19, about: 'HTTP upload' },
  { letter: 'C', count: 18, about: 'configuration' },
  { letter: 'D', count: 29, about: 'database, disk, clock, memory' }
]

const idsOf = ({ letter, count }: Chapter): readonly string[] =>
  Array.from({ length: count }, (_, i) => `${letter}${String(i + 1).padStart(2, '0')}`)

/** All 401. */
export const IDS: readonly string[] = CHAPTERS.flatMap(idsOf)

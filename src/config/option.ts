/**
 * How options are declared: beside the code that uses them, each with type, default, bounds and one sentence.
 * `options({...})` gives a group; `Values<typeof group>` is the typed settings object that a room receives.
 * Reading, checking and reporting of all groups is `config/settings.ts`.
 */
export interface Option<T> {
  /** With dashes, as in init.properties: `--c2s-ports`. */
  readonly name: string
  /** Word for the manual: `port list`, `milliseconds`, `yes or no` ... */
  readonly kind: string
  readonly initial: T
  /** One sentence for the manual and the example file. */
  readonly why: string
  /** Text to value; throws `Error` with what is allowed ("a port from 1 to 65535"). */
  readonly parse: (text: string) => T
  /** Value to text, for the generated example file and `--explain`. A method, so that every `Option<T>` is an `Option<unknown>`. */
  print(value: T): string
  /** Never printed or logged. */
  readonly secret?: boolean
  /** Variable that gives the value when the command line does not, for secrets: `STARLING_DB_PASSWORD`. */
  readonly environment?: string
  /** Shown in the example file in place of an empty default. */
  readonly example?: string
  /** Warnings about a value that is allowed. */
  remarks?(value: T): readonly string[]
}

export type OptionGroup = Readonly<Record<string, Option<unknown>>>
export type Values<G> = { readonly [K in keyof G]: G[K] extends Option<infer T> ? T : never }

/** Declares a group of options; the keys become the fields of the typed settings. */
export function options<G extends OptionGroup>(group: G): Readonly<G> {
  return Object.freeze(group)
}

export function text(name: string, initial: string, why: string, secret = false): Option<string> {
  return { name, kind: 'text', initial, why, parse: (t) => t, print: (v) => v, secret }
}

export function flag(name: string, initial: boolean, why: string): Option<boolean> {
  return {
    name, kind: 'yes or no', initial, why, print: String,
    parse(t) {
      if (/^(true|yes|on|1)$/i.test(t)) return true
      if (/^(false|no|off|0)$/i.test(t)) return false
      throw new Error('true, yes, on, 1 or false, no, off, 0')
    }
  }
}

type Bounded = readonly [min: number, max: number, why: string]

export function integer(name: string, initial: number, ...bounds: [...Bounded, kind?: string]): Option<number> {
  const [min, max, why, kind = 'number'] = bounds
  return {
    name, kind, initial, why, print: String,
    parse(t) {
      const value = /^-?\d{1,15}$/.test(t) ? Number(t) : NaN
      if (value >= min && value <= max) return value
      throw new Error(`a whole number from ${min} to ${max}`)
    }
  }
}

/** Seconds, milliseconds or bytes are integers whose kind says so; names end in the unit. */
export const milliseconds = (name: string, initial: number, ...bounds: Bounded): Option<number> =>
  integer(name, initial, ...bounds, 'milliseconds')
export const seconds = (name: string, initial: number, ...bounds: Bounded): Option<number> =>
  integer(name, initial, ...bounds, 'seconds')

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

/** Bytes, with Tigase's size suffixes k, m and g. */
export function bytes(name: string, initial: number, ...[min, max, why]: Bounded): Option<number> {
  return {
    name, kind: 'bytes', initial, why, print: String,
    parse(t) {
      const [, digits, unit] = /^(\d{1,12})([kmg]?)$/i.exec(t) ?? []
      const value = digits === undefined ? NaN : Number(digits) * (UNITS[(unit ?? '').toLowerCase()] ?? NaN)
      if (value >= min && value <= max) return value
      throw new Error(`a size from ${min} to ${max} bytes, k, m and g allowed`)
    }
  }
}

/** Bytes a second, such as `20kB/s`; `off` is 0. */
export function rate(name: string, initial: number, ...bounds: Bounded): Option<number> {
  const plain = bytes(name, initial, ...bounds)
  const [min, max] = bounds
  return {
    ...plain, kind: 'bytes a second, or off', print: (v) => (v === 0 ? 'off' : v % 1024 === 0 ? `${v / 1024}kB/s` : `${v}B/s`),
    parse(t) {
      if (/^(off|0)$/i.test(t)) return 0
      try {
        return plain.parse(t.replace(/(\d[kmg]?)B?(?:\/s)?$/i, '$1'))
      } catch {
        throw new Error(`off, or a rate from ${min} to ${max} bytes a second such as 20kB/s`)
      }
    }
  }
}

export function list(name: string, initial: readonly string[], why: string, kind = 'list'): Option<readonly string[]> {
  return {
    name, kind, initial, why, print: (v) => v.join(','),
    parse: (t) => t.split(',').map((part) => part.trim()).filter((part) => part !== '')
  }
}

/** Ports to listen on, empty for none; 0 means any free port. */
export function ports(name: string, initial: readonly number[], why: string): Option<readonly number[]> {
  return {
    name, kind: 'port list', initial, why, print: (v) => v.join(','),
    parse: (t) => t.split(',').map((p) => p.trim()).filter((p) => p !== '' && p !== 'none').map((part) => {
      const port = /^\d{1,5}$/.test(part) ? Number(part) : NaN
      if (port >= 0 && port <= 65535) return port
      throw new Error('ports from 0 to 65535, separated by commas, or none')
    })
  }
}

export function choice<const C extends readonly string[]>(name: string, initial: C[number], choices: C, why: string): Option<C[number]> {
  return {
    name, kind: choices.join(' | '), initial, why, print: (v) => v,
    parse(t) {
      const found = choices.find((c) => c === t.toLowerCase())
      if (found !== undefined) return found
      throw new Error(`one of ${choices.join(', ')}`)
    }
  }
}

/**
 * Runs the cases of a target, each from a seed of its own: the number alone repeats the case. A case that fails is made
 * as small as it goes and shown with its seed.
 */
import type { Random as RandomType } from './random.js'
import { Random } from './random.js'

/** A thing that reads bytes from outside, and what must hold of it. */
export interface Target {
  readonly name: string
  /** Variable that says how many cases the long tier runs. */
  readonly variable: string
  /** Cases of the short tier and of the long one. */
  readonly short: number
  readonly long: number
  /** False: only whole inputs say anything. */
  readonly shrinks?: false
  make(random: RandomType): Buffer
  /** Throws when something does not hold. Returns whether the input was taken. */
  check(input: Buffer, random: RandomType): boolean
}

export interface Ran {
  readonly cases: number
  readonly taken: number
}

/** Attempts to make a failing case smaller. */
const SHRINKS_MAX = 3_000

/** @throws Error with the seed, the smallest failing input and the cause */
export function runCases(target: Target, firstSeed: number, cases: number): Ran {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0   // most cases end with a fault, and where it was thrown costs more than the case
  try {
    return { cases, taken: takenOf(target, firstSeed, cases) }
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

function takenOf(target: Target, firstSeed: number, cases: number): number {
  let taken = 0
  for (let seed = firstSeed; seed < firstSeed + cases; seed++) {
    const random = new Random(seed)
    const input = target.make(random)
    try {
      if (target.check(input, random)) taken++
    } catch (error) {
      const { input: small, error: why } = target.shrinks === false ? { input, error } : smallest(target, input, { seed, error })
      throw new Error(`${target.name}: seed ${seed} (FUZZ_SEED=${seed} ${target.variable}=1): ${textOf(why)}\nin ${shown(small)}`
        + `\nfirst ${shown(input)}`, { cause: error })
    }
  }
  return taken
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Printable ASCII, everything else by number. */
export const shown = (bytes: Buffer): string => bytes.toString('latin1').replace(/[^ -~]/g, (c) => `{${c.charCodeAt(0).toString(16)}}`)

interface Failing {
  readonly input: Buffer
  readonly error: unknown
}

/** Takes away pieces, large ones first, as long as it fails at all. */
function smallest(target: Target, input: Buffer, { seed, error }: { readonly seed: number, readonly error: unknown }): Failing {
  let best: Failing = { input, error }
  let left = SHRINKS_MAX
  for (let size = input.length >> 1; size > 0; size = best.input.length < size ? best.input.length >> 1 : size >> 1) {
    for (let at = 0; at + size <= best.input.length && left > 0; left--) {
      const fewer = Buffer.concat([best.input.subarray(0, at), best.input.subarray(at + size)])
      const why = failureOf(target, fewer, seed)
      if (why === undefined) at += size
      else best = { input: fewer, error: why.error }
    }
  }
  return best
}

function failureOf(target: Target, input: Buffer, seed: number): { readonly error: unknown } | undefined {
  try {
    target.check(input, new Random(seed))
    return undefined
  } catch (error) {
    return { error }
  }
}

/** Throws unless two texts are the same. */
export function same(left: string | number | boolean | undefined, right: typeof left, what: string): void {
  if (left !== right) throw new Error(`${what} differ:\n${shownText(left)}\n${shownText(right)}`)
}

const shownText = (value: unknown): string => shown(Buffer.from(String(value), 'utf8'))

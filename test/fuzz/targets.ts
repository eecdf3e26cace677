/** All targets of the fuzzer. */
import type { Target } from './run.js'
import { PARSER, VALID } from './xml-target.js'

export const TARGETS: readonly Target[] = [PARSER, VALID]

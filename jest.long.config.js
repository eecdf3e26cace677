/** The long tier: soaks, long faults, fuzzing at length. */
import { shared } from './jest.config.js'

export default { ...shared, testMatch: ['<rootDir>/test/**/*.long.test.ts'], testTimeout: 1_800_000 }

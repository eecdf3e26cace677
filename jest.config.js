/**
 * The short tier. Tests import `../src/room/file.js`; the mapping below sends that to the built
 * file in `dist`, so that what is tested is what is shipped (worker threads and child processes included).
 */
export const shared = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest', { jsc: { target: 'es2022' }, module: { type: 'es6' } }] },
  moduleNameMapper: {
    '^(?:\\.{1,2}/)+src/(.+)\\.js$': '<rootDir>/dist/$1.js',
    '^(\\.{1,2}/.+)\\.js$': '$1'
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/package.json'],
  globalSetup: '<rootDir>/test/global-setup.js',
  globalTeardown: '<rootDir>/test/global-teardown.js',
  reporters: ['default', '<rootDir>/test/summary-reporter.cjs'],
  // Most process tests wait; more at once than cores would make them wait for each other.
  maxWorkers: 2,
  testTimeout: 15_000
}

export default {
  ...shared,
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '\\.long\\.test\\.ts$']
}

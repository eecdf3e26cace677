/** Asking for what is not offered is said at the start, not found out by users. */
import { expect, test } from '@jest/globals'
import { read } from './reading.js'

const warningsFor = (...argv: readonly string[]): string =>
  read({ argv: [...argv] }).warnings.map((one) => `${one.key} ${one.problem}`).join('\n')

test('registration before login is warned of, for the server and for a domain', () => {
  const instead = 'people cannot make accounts themselves; make them with starling user add'
  expect(warningsFor('--vhost-register-enabled=true')).toBe(`--vhost-register-enabled ${instead}`)
  expect(warningsFor('--virt-hosts=a.org:register,b.org:-register')).toBe(`--virt-hosts a.org: ${instead}`)
  expect(warningsFor('--vhost-register-enabled=false')).toBe('')
})

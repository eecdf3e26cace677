/** Who may make accounts is said by two options, and asking for it is no reason for a warning. */
import { expect, test } from '@jest/globals'
import { read } from './reading.js'

test('registration before login is said for the server and for a domain, with the number of its accounts', () => {
  const { warnings, values: { server } } = read({
    argv: ['--vhost-register-enabled=true', '--virt-hosts=a.org:register:max-users=100,b.org:-register,c.org']
  })
  expect(warnings).toEqual([])
  expect(server.register).toBe(true)
  expect(server.virtualHosts.map(({ domain, register, maxUsers }) => [domain, register, maxUsers])).toEqual(
    [['a.org', true, 100], ['b.org', false, undefined], ['c.org', undefined, undefined]])
})

test('it is off unless asked for', () => {
  expect(read({ argv: ['--virt-hosts=a.org'] }).values.server.register).toBe(false)
})

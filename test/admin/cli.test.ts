/** The command line: which action gets what, and the exit codes. */
import { describe, expect, test } from '@jest/globals'
import { runCli, type Actions } from '../../src/admin/cli.js'
import { CertificateError } from '../../src/transport/certificate.js'
import { ListenError } from '../../src/transport/listen-error.js'
import { CommandError, errorText, exitCodeOf } from '../../src/admin/exit-codes.js'
import { optionError } from '../../src/config/fault.js'
import { StorageError } from '../../src/storage/store.js'

async function starling(line: string, fail?: unknown) {
  const calls: unknown[] = []
  const texts = { out: '', err: '' }
  const action = (name: string) => async (...args: unknown[]): Promise<number> => {
    calls.push([name, ...args])
    if (fail !== undefined) throw fail
    return 0
  }
  const names = ['run', 'demo', 'check', 'reload', 'user', 'clusterNodes', 'clusterTest', 'clusterFence']
  const actions = Object.fromEntries(names.map((name) => [name, action(name)])) as unknown as Actions
  const code = await runCli(line === '' ? [] : line.split(' '), '1.2.3', actions, {
    out: (text) => void (texts.out += text), err: (text) => void (texts.err += text)
  })
  return { code, calls, ...texts }
}

describe('commands', () => {
  test.each([
    ['run --cluster-mode=true --property-file=a,b',
      ['run', ['--cluster-mode=true', '--property-file=a,b'], { check: false, explain: false }]],
    ['run --check --virt-hosts=a', ['run', ['--virt-hosts=a'], { check: true, explain: false }]],
    ['run --virt-hosts=a --explain', ['run', ['--virt-hosts=a'], { check: false, explain: true }]],
    ['run --property-file etc/x c2s/connections/ports[i]=5222',
      ['run', ['--property-file=etc/x', 'c2s/connections/ports[i]=5222'], { check: false, explain: false }]],
    ['demo', ['demo', { nodes: 2, dir: './data/demo', basePort: undefined, strategy: 'broadcast', json: false, extra: [] }]],
    ['demo --nodes 3 --json --base-port 7000 --debug=cluster', ['demo', {
      nodes: 3, dir: './data/demo', basePort: 7000, strategy: 'broadcast', json: true, extra: ['--debug=cluster']
    }]],
    ['user add romeo@a secret --property-file=f', ['user', 'add', ['romeo@a', 'secret'], ['--property-file=f']]],
    ['user --property-file=f list', undefined],
    ['user delete --property-file=f romeo@a', ['user', 'delete', ['romeo@a'], ['--property-file=f']]],
    ['user list', ['user', 'list', [], []]],
    ['check --property-file f --virt-hosts=a', ['check', ['--property-file=f', '--virt-hosts=a']]],
    ['reload', ['reload', []]],
    ['cluster nodes --json --property-file=f', ['clusterNodes', true, ['--property-file=f']]],
    ['cluster test a.org --property-file=f', ['clusterTest', 'a.org', ['--property-file=f']]],
    ['cluster fence node1 7 --property-file=f', ['clusterFence', 'node1', 7, ['--property-file=f']]]
  ])('starling %s', async (line, call) => {
    const { code, calls } = await starling(line)
    expect(calls).toEqual(call === undefined ? [] : [call])
    expect(code).toBe(call === undefined ? 64 : 0)
  })

  test.each(['', 'bogus', 'user', 'user add', 'user delete a b', 'cluster', 'cluster fence node1', 'cluster fence node1 x',
    'demo --nodes 0', 'run nonsense', '--bogus'])(
    'starling %s: usage, exit code 64', async (line) => {
      const { code, calls, err } = await starling(line)
      expect([code, calls]).toEqual([64, []])
      expect(err).not.toBe('')
    })

  test('--help and --version', async () => {
    expect(await starling('--version')).toMatchObject({ code: 0, out: '1.2.3\n' })
    expect((await starling('user --help')).out).toMatch(/passwd/)
  })
})

describe('exit codes', () => {
  test.each([
    [new CommandError('no'), 1], [optionError('--x', 'bad'), 78], [new StorageError('x', 'away'), 75],
    [new CertificateError('x.pem', 'no'), 78], [new ListenError({ host: '::', port: 1, option: '--c2s-ports' }, 'x'), 78],
    [Object.assign(new Error('x'), { code: 'EACCES' }), 74], [new TypeError('x'), 70], ['x', 70]
  ])('%s', async (error, code) => {
    expect(exitCodeOf(error)).toBe(code)
    expect((await starling('cluster nodes', error)).code).toBe(code)
  })

  test('a fault of the program shows its stack, other faults one sentence', () => {
    expect(errorText(new TypeError('boo'))).toMatch(/please report it\nTypeError: boo\n +at /)
    expect(errorText(new CommandError('no'))).toBe('starling: no')
    expect(errorText(optionError('--x', 'bad'))).toBe('config: default: --x: bad')
  })
})

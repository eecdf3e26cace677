/** `starling reload`: all nodes are told; what came of it is asked where a node can be asked. */
import { describe, expect, test } from '@jest/globals'
import type { NodePage } from '../../src/admin/node-page.js'
import { reloadCertificates, type Told } from '../../src/admin/reload.js'

const page = (reloads: number, why = ''): NodePage => ({
  self: { name: 'n', incarnation: 1 },
  health: {
    state: 'ok', ready: true, waitingFor: '',
    parts: { certificates: { state: why === '' ? 'ok' : 'degraded', why, since: 0 }, database: { state: 'degraded', why: 'away', since: 0 } }
  },
  certificates: { reloads, domains: [{ domain: 'a.test', file: 'a.pem', serial: '0A', daysLeft: 9, selfMade: false }] }
})

/** Answers with one page after the other; the last one stays. */
function told(name: string, ...pages: readonly (NodePage | undefined)[]): Told {
  let asked = 0
  return { name, ask: () => Promise.resolve(pages[Math.min(asked++, pages.length - 1)]) }
}

async function reload(...nodes: readonly Told[]) {
  const lines: string[] = []
  const notices: string[] = []
  let waited = 0
  const good = await reloadCertificates({
    nodes, print: (text) => void lines.push(text), tables: { notify: async (kind) => void notices.push(kind) },
    pause: async (ms) => { waited += ms }
  })
  return { good, lines, notices, waited }
}

describe('starling reload', () => {
  test('one notice for all; each says what it has', async () => {
    expect(await reload(told('n1', page(4), page(4), page(5)), told('n2', page(0), page(1)))).toEqual({
      good: true, notices: ['reload'], waited: 250,
      lines: ['n1: reloaded: a.test 0A (9 days)', 'n2: reloaded: a.test 0A (9 days)']
    })
  })

  test('a node that refuses says why, and the command fails; one that cannot be asked was told', async () => {
    const { good, lines } = await reload(told('n1', page(0), page(1, 'not reloaded: a.pem: no key')), told('n2', undefined))
    expect([good, lines]).toEqual([false, [
      'n1: not reloaded: a.pem: no key', 'n2: told; its admin listener cannot be asked from here, see tls.reloaded in its log'
    ]])
  })

  test('a node that does nothing for ten seconds is a failure', async () => {
    const { good, lines, waited } = await reload(told('n1', page(0)))
    expect([good, lines, waited]).toEqual([false, ['n1: told, but it has not read them within 10 s; see its log'], 10_000])
  })

  test('nobody runs: said, and no notice is left behind', async () => {
    await expect(reload()).rejects.toThrow(/no node runs on this database/)
  })
})

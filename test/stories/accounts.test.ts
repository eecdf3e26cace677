/** A password that changes, an account that is disabled: what becomes of the sessions on all nodes, and of the next logins. */
import { execFile } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { freshDatabase } from '../databases.js'
import type { TestClient } from '../support/client.js'
import { Cluster } from '../support/cluster.js'
import { PROGRAM } from '../support/node-process.js'

describe('two nodes', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await Cluster.of({ nodes: 2, database: await freshDatabase('sqlite'), accounts: ['romeo', 'juliet', 'nurse'] })
  }, 60_000)
  afterAll(() => cluster.end())

  const starling = (...words: readonly string[]): Promise<string> => new Promise((done, failed) => {
    const args = [PROGRAM, 'user', ...words, `--property-file=${cluster.node(0).properties}`]
    execFile(process.execPath, args, (error, out, err) => { if (error === null) done(out); else failed(new Error(err, { cause: error })) })
  })

  async function ends(client: TestClient, condition: string): Promise<void> {
    await client.gone()
    expect(client.streamError).toBe(condition)
  }

  test('a password that somebody changes ends the other sessions of the account, on all nodes (XEP-0077 §3.3)', async () => {
    const changing = await cluster.login(0, 'romeo', { resource: 'balcony' })
    const others = [await cluster.login(0, 'romeo', { resource: 'garden' }), await cluster.login(1, 'romeo', { resource: 'street' })]
    const juliet = await cluster.login(1, 'juliet')
    const wish = "<query xmlns='jabber:iq:register'><username>romeo</username><password>rosaline</password></query>"
    expect((await changing.iq('set', '', wish)).attrs['type']).toBe('result')
    for (const other of others) await ends(other, 'reset')
    await Promise.all([changing.ping(), juliet.ping()])
    await expect(cluster.login(1, 'romeo')).rejects.toThrow('not-authorized')
    const back = await cluster.login(1, 'romeo', { password: 'rosaline' })
    await back.ping()
  }, 40_000)

  test('one that the operator changes ends all of them', async () => {
    const clients = [await cluster.login(0, 'nurse', { resource: 'a' }), await cluster.login(1, 'nurse', { resource: 'b' })]
    expect(await starling('passwd', 'nurse@localhost', 'peter')).toBe('changed the password of nurse@localhost\n')
    for (const client of clients) await ends(client, 'reset')
  }, 40_000)

  test('a disabled account has no sessions, and cannot log in until it is enabled (RFC 6120 §6.5.2)', async () => {
    const clients = [await cluster.login(0, 'juliet', { resource: 'a' }), await cluster.login(1, 'juliet', { resource: 'b' })]
    expect(await starling('disable', 'juliet@localhost')).toBe('disabled juliet@localhost\n')
    for (const client of clients) await ends(client, 'not-authorized')
    for (const mechanism of ['SCRAM-SHA-1', 'PLAIN'] as const) {
      await expect(cluster.login(1, 'juliet', { tls: 'direct', mechanism })).rejects.toThrow('account-disabled')
    }
    expect(cluster.nodes.flatMap((node) => node.events('stream.closed').map(({ reason }) => reason))).toContain('account-disabled')
    expect(await starling('enable', 'juliet@localhost')).toBe('enabled juliet@localhost\n')
    await (await cluster.login(1, 'juliet')).ping()
  }, 40_000)
})

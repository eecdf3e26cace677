/** The command line as operators use it: the demo, accounts and cluster commands against running nodes. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { until } from '../support/until.js'
import { TestClient } from '../support/client.js'
import { PROGRAM } from '../support/node-process.js'

interface NodeLine {
  readonly node: string
  readonly hostname: string
  readonly domain: string
  readonly c2s: number
  readonly c2sTls: number
  readonly http: number
  readonly https: number
  readonly admin: number
  readonly cluster: number
  readonly pid: number
  readonly properties: string
}

interface FrontLine {
  readonly front: true
  readonly c2s: number
  readonly http: number
}

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

class DemoProcess {
  readonly nodes: NodeLine[] = []
  readonly others: string[] = []
  readonly #child: ChildProcess
  readonly #exit: Promise<number | null>
  #front: FrontLine | undefined

  private constructor(readonly dir: string, words: readonly string[]) {
    const child = spawn(process.execPath, [PROGRAM, 'demo', '--json', '--dir', dir, ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#child = child
    this.#exit = new Promise((done) => child.once('exit', done))
    createInterface({ input: child.stdout }).on('line', (line) => { this.#heard(line) })
  }

  /** Resolves when the front is open: the last line. */
  static async start(...words: readonly string[]): Promise<DemoProcess> {
    const demo = new DemoProcess(mkdtempSync(join(tmpdir(), 'starling-demo-')), words)
    while (demo.#front === undefined) {
      if (demo.#child.exitCode !== null) throw new Error(`the demo ended: ${demo.others.join('\n')}`)
      await new Promise((done) => { setTimeout(done, 50) })
    }
    return demo
  }

  get front(): FrontLine {
    if (this.#front === undefined) throw new Error('no front')
    return this.#front
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  node(n: number): NodeLine {
    const node = this.nodes.find(({ node: name }) => name === `node${n}`)
    if (node === undefined) throw new Error(`there is no node${n}`)
    return node
  }

  interrupt(): Promise<number | null> {
    this.#child.kill('SIGINT')
    return this.#exit
  }

  async end(): Promise<void> {
    if (this.#child.exitCode === null) await this.interrupt()
    rmSync(this.dir, { recursive: true, force: true })
  }

  #heard(line: string): void {
    const parsed = JSON.parse(line) as NodeLine | FrontLine
    if ('front' in parsed) this.#front = parsed
    else if ('node' in parsed) this.nodes.push(parsed)
    else this.others.push(line)
  }
}

/** @param properties named in the environment, as `STARLING_PROPERTY_FILE` */
function starling(properties: string, ...words: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const env = { ...process.env, STARLING_PROPERTY_FILE: properties }
    const child = execFile(process.execPath, [PROGRAM, ...words], { env }, (_error, out, err) => {
      resolve({ code: child.exitCode, out, err })
    })
  })
}

describe('starling demo --json --nodes 2', () => {
  let demo: DemoProcess
  beforeAll(async () => { demo = await DemoProcess.start('--nodes', '2') }, 60_000)
  afterAll(() => demo?.end(), 30_000)

  test('says where each node is, then where the front is', () => {
    const names = ['node', 'hostname', 'domain', 'c2s', 'c2sTls', 'http', 'https', 'admin', 'cluster', 'pid', 'properties']
    expect(demo.nodes.map(({ node }) => node).sort()).toEqual(['node1', 'node2'])
    for (const line of demo.nodes) {
      expect(Object.keys(line)).toEqual(names)
      const numbers = ['c2s', 'c2sTls', 'http', 'https', 'admin', 'cluster', 'pid'] as const
      for (const name of numbers) expect(Number.isInteger(line[name])).toBe(true)
      expect(line).toMatchObject({ hostname: line.node, domain: 'localhost' })
      expect(isAlive(line.pid)).toBe(true)
      expect(readFileSync(line.properties, 'utf8')).toContain(`--c2s-ports=${line.c2s}`)
    }
    expect(demo.front).toEqual({ front: true, c2s: expect.any(Number), http: expect.any(Number) })
    expect(demo.others).toEqual([])
  })

  test('romeo and juliet talk, PLAIN is refused without TLS and taken with it', async () => {
    const romeo = await TestClient.login({ port: demo.node(1).c2s, user: 'romeo' })
    const juliet = await TestClient.login({ port: demo.node(2).c2sTls, user: 'juliet', tls: 'direct', mechanism: 'PLAIN' })
    romeo.write(`<message to='juliet@localhost' type='chat'><body>hello</body></message>`)
    expect((await juliet.message('hello')).attrs['from']).toBe(romeo.jid)
    await expect(TestClient.login({ port: demo.node(1).c2s, user: 'romeo', mechanism: 'PLAIN' })).rejects.toThrow(/login refused/)
    await Promise.all([romeo.close(), juliet.close()])
  })

  test('the front passes TCP and HTTP to any live node, also after kill -9 of one', async () => {
    const { front } = demo
    const url = `http://127.0.0.1:${front.http}/ready`
    const ready = async (): Promise<number> => (await fetch(url, { headers: { connection: 'close' } })).status
    for (let n = 0; n < 4; n++) expect(await ready()).toBe(200)
    const before = await TestClient.login({ port: front.c2s, user: 'romeo' })
    await before.close()
    const { pid } = demo.node(1)
    process.kill(pid, 'SIGKILL')
    await until('the killed node is gone', () => !isAlive(pid))
    for (let n = 0; n < 4; n++) {
      expect(await ready()).toBe(200)
      const client = await TestClient.login({ port: front.c2s, user: 'juliet' })
      await client.ping()
      await client.close()
    }
  }, 30_000)

  test('Ctrl-C stops everything: exit code 0, no process remains', async () => {
    expect(await demo.interrupt()).toBe(0)
    for (const pid of [demo.pid, ...demo.nodes.map((line) => line.pid)]) expect(isAlive(pid)).toBe(false)
  }, 30_000)
})

describe('operators\' commands while three nodes run', () => {
  let demo: DemoProcess
  beforeAll(async () => { demo = await DemoProcess.start('--nodes', '3', '--strategy', 'online-users-caching') }, 90_000)
  afterAll(() => demo?.end(), 30_000)

  const run = (...words: readonly string[]): Promise<Ended> => starling(demo.node(1).properties, ...words)

  test('starling cluster nodes --json', async () => {
    const { code, out } = await run('cluster', 'nodes', '--json')
    expect(code).toBe(0)
    const facts = JSON.parse(out) as Record<string, unknown>[]
    expect(facts.map(({ name }) => name).sort()).toEqual(['node1', 'node2', 'node3'])
    for (const one of facts) expect(one).toMatchObject({ state: 'up', links: 2, version: expect.any(String), backup: null })
    for (const { beats } of facts) expect(beats).toBeGreaterThan(0)
    const table = await run('cluster', 'nodes')
    expect(table.out).toMatch(/NODE.*STATE.*VERSION.*BEATS.*LINKS.*BACKUP/)
  }, 30_000)

  test('starling cluster test is green from each node to each', async () => {
    const { code, out, err } = await run('cluster', 'test')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out.match(/ok \d+\.\d ms/g)).toHaveLength(9)
    expect((await run('user', 'list')).out).not.toContain('cluster-test')
  }, 30_000)

  test('accounts come, change, are listed and go; a deleted account\'s session ends', async () => {
    expect(await run('user', 'add', 'nurse@localhost', 'first')).toEqual({ code: 0, out: 'added nurse@localhost\n', err: '' })
    expect((await run('user', 'list')).out.split('\n')).toContain('nurse@localhost')
    expect((await run('user', 'passwd', 'nurse@localhost', 'second')).code).toBe(0)
    await expect(TestClient.login({ port: demo.node(2).c2s, user: 'nurse', password: 'first' })).rejects.toThrow(/not-authorized/)
    const nurse = await TestClient.login({ port: demo.node(2).c2s, user: 'nurse', password: 'second' })
    expect((await run('user', 'delete', 'nurse@localhost')).code).toBe(0)
    await nurse.gone()
    expect(nurse.streamError).toBeDefined()
    await expect(TestClient.login({ port: demo.node(3).c2s, user: 'nurse', password: 'second' })).rejects.toThrow(/not-authorized/)
  }, 30_000)

  test.each([
    ['add', 'romeo@localhost', /the account romeo@localhost exists already/],
    ['delete', 'nobody@localhost', /there is no account nobody@localhost/],
    ['passwd', 'nobody@localhost', /there is no account nobody@localhost/]
  ])('starling user %s %s: exit code 1 with a sentence', async (action, jid, sentence) => {
    const { code, err } = await run('user', action, jid, ...action === 'delete' ? [] : ['secret'])
    expect(code).toBe(1)
    expect(err).toMatch(sentence)
    expect(err.trim().split('\n')).toHaveLength(1)
  })

  test('the demo\'s files are where it was told', () => {
    expect(existsSync(join(demo.dir, 'starling.db'))).toBe(true)
  })
})

/** A start that cannot be: refused with an exit code and a sentence that says what, where and what to do; nothing stays open. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { openStore } from '../../src/storage/open.js'
import { selfSigned } from '../../src/transport/self-signed.js'
import { freshDatabase } from '../databases.js'
import { openAccounts } from '../support/database.js'
import { NodeProcess } from '../support/node-process.js'
import { silentLog } from '../support/silent-log.js'
import { until } from '../support/until.js'
import { Tally } from './tally.js'

const dir = mkdtempSync(join(tmpdir(), 'starling-start-'))
const tally = new Tally('starts')
let names = 0
let taken: Server
let takenPort = 0

beforeAll(async () => {
  taken = createServer()
  await new Promise<void>((done) => { taken.listen(0, '127.0.0.1', done) })
  const address = taken.address()
  takenPort = typeof address === 'object' ? address?.port ?? 0 : 0
})
afterAll(() => {
  taken.close()
  rmSync(dir, { recursive: true, force: true })
})

interface Fault {
  /** Lines of init.properties, the later ones win. */
  readonly lines: () => Promise<readonly string[]> | readonly string[]
  readonly code: number
  readonly says: RegExp
}

async function planned(lines: readonly string[]): Promise<NodeProcess> {
  const name = `node${++names}`
  return NodeProcess.plan({ name, dir, jdbc: `jdbc:sqlite:${join(dir, `${name}.db`)}`, userDb: 'sqlite', strategy: 'broadcast', lines })
}

function refused(id: string, sentence: string, { lines, code, says }: Fault): void {
  tally.test(`${id} ${sentence}`, 'start', async () => {
    const node = await planned(await lines())
    node.spawn()
    const exit = await node.exited()
    expect({ exit, output: node.output }).toEqual({ exit: code, output: expect.stringMatching(says) })
    expect(node.output).not.toMatch(/fault of the program|secret password/)
    const open = await fetch(`http://127.0.0.1:${node.ports.http}/healthz`).then(() => true, () => false)
    expect(open).toBe(false)
  }, 40_000)
}

const file = (name: string, text: string): string => {
  writeFileSync(join(dir, name), text, { mode: 0o600 })
  return join(dir, name)
}

const schemaFrom = async (minCompatible: number): Promise<string> => {
  const database = await freshDatabase('sqlite')
  await (await openAccounts(database)).close()
  const opened = await openStore(database.settings, silentLog)
  await opened.database.maintain(async (sql) => { await sql('schema_info').update({ schema_min_compatible: minCompatible }) })
  await opened.close()
  return database.jdbc
}

describe('the database', () => {
  refused('C09', 'a database that nobody serves: waited for, then 75', {
    lines: () => ['--user-db=pgsql', '--user-db-uri=jdbc:postgresql://127.0.0.1:1/x?user=u&password=secret password', '--db-wait=1'],
      code: 75,
    says: /postgresql:\/\/127\.0\.0\.1:1\/x.*ECONNREFUSED.*--db-wait.*--user-db-uri/
  })
  for (const [kind, userDb] of [['postgresql', 'pgsql'], ['mysql', 'mysql']] as const) {
    refused('C09', `a wrong password of ${kind}`, {
      lines: async () => {
        const { jdbc } = await freshDatabase(kind)
        return [`--user-db=${userDb}`, `--user-db-uri=${jdbc.replace(/password=[^&]*/, 'password=wrong')}`]
      },
      code: 78, says: /127\.0\.0\.1:\d+.*(password|[Aa]ccess denied|login|user)/
    })
    refused('C09', `a database that ${kind} does not have`, {
      lines: async () => {
        const { jdbc } = await freshDatabase(kind)
        return [`--user-db=${userDb}`, `--user-db-uri=${jdbc.replace(/\/[^/?]*\?/, '/not_there?')}`]
      },
      code: 78, says: /not_there/
    })
  }
  refused('C09', 'a file that is no database', {
    lines: () => [`--user-db-uri=jdbc:sqlite:${file('garbage.db', 'no database, only words, and enough of them to see it')}`], code: 78,
    says: /garbage\.db.*not a database.*check the path/
  })
  refused('C09', 'a schema that is too new', {
    lines: async () => [`--user-db-uri=${await schemaFrom(99)}`], code: 78, says: /schema 99.*install the release/
  })
})

describe('ports and addresses', () => {
  for (const [option, line] of [
    ['--c2s-ports', () => `--c2s-ports=${takenPort}`], ['--c2s-tls-ports', () => `--c2s-tls-ports=${takenPort}`],
    ['--http-ports', () => `--http-ports=${takenPort}`], ['--https-ports', () => `--https-ports=${takenPort}`],
    ['--admin-listen', () => `--admin-listen=127.0.0.1:${takenPort}`]
  ] as const) {
    refused('C05', `${option}: a port that is taken`, {
      lines: () => [line()], code: 78,
      says: new RegExp(`${option}: cannot listen on 127\\.0\\.0\\.1:\\d+ \\(EADDRINUSE\\).*choose another port`)
    })
  }
  refused('C05', 'the cluster port: taken', {
    lines: () => [`--cl-comp-ports=${takenPort}`], code: 78, says: /--cl-comp-ports|--cluster-listen/
  })
  refused('C05', 'an address that this machine has not', {
    lines: () => ['--listen=192.0.2.1'], code: 78, says: /192\.0\.2\.1.*EADDRNOTAVAIL.*--listen/
  })
})

describe('certificates', () => {
  const certificate = async (days = 10, now = Date.now()): Promise<{ certificate: string, key: string }> =>
    selfSigned({ names: ['localhost'], now, days })
  refused('C06', 'a file that is not there', {
    lines: () => [`--tls-certificate=${join(dir, 'none.pem')}`], code: 78, says: /none\.pem: cannot be read \(ENOENT\); check the path/
  })
  refused('C06', 'a file that cannot be read', { lines: () => [`--tls-certificate=${dir}`], code: 78, says: /cannot be read \(EISDIR\)/ })
  refused('C06', 'a file without certificate', {
    lines: () => [`--tls-certificate=${file('empty.pem', 'nothing\n')}`], code: 78, says: /empty\.pem: no PEM certificate in it/
  })
  refused('C06', 'a key of another certificate', {
    lines: async () => [`--tls-certificate=${file('one.pem', (await certificate()).certificate)}`,
      `--tls-key=${file('two.key', (await certificate()).key)}`],
    code: 78, says: /one\.pem: the private key does not belong to the certificate/
  })
})

describe('the configuration', () => {
  const check = (id: string, sentence: string, lines: readonly string[], says: RegExp): void => {
    refused(id, sentence, { lines: () => lines, code: 78, says })
  }
  check('C02', 'a broken escape', ['--admins=\\u12'], /init\.properties:\d+: --admins: after \\u four/)
  check('C03', 'an option that nobody knows', ['--virt-hsots=a.org'], /--virt-hsots.*did you mean --virt-hosts/)
  check('C04', 'ports that are none', ['--c2s-ports=70000', '--http-ports=abc', '--https-ports=-1'],
    /--c2s-ports=70000[\s\S]*--http-ports=abc[\s\S]*--https-ports=-1/)
  check('C05', 'one port twice', ['--c2s-ports=15222', '--http-ports=15222'], /--(c2s|http)-ports.*15222/)
  check('C08', 'a domain that is none', ['--virt-hosts=a_b..c'], /--virt-hosts/)
  check('C10', 'SQLite for nodes on several machines', ['--cluster-advertise=192.0.2.7:5777'], /SQLite is a file of one machine.*--user-db/)
  refused('C11', 'links in the clear between machines', {
    lines: async () => {
      const { jdbc } = await freshDatabase('postgresql')
      return ['--user-db=pgsql', `--user-db-uri=${jdbc}`, '--cluster-tls=false', '--cluster-advertise=192.0.2.7:5777']
    },
    code: 78, says: /cluster-tls/
  })
  check('C13', 'stanzas smaller than the RFC allows', ['--c2s-stanza-bytes-max=9999'], /--c2s-stanza-bytes-max=9999.*10000|10,000/)
  check('C15', 'a loopback name in a cluster', ['--cluster-allow-loopback=false'], /loopback/)
  check('C17', 'three faults, three lines', ['--c2s-ports=x', '--db-wait=x', '--nobody-knows=1'],
    /--c2s-ports=x[\s\S]*--db-wait=x[\s\S]*--nobody-knows|--nobody-knows[\s\S]*--c2s-ports=x/)

  tally.test('C01 a properties file that is not there', 'start', async () => {
    const node = await planned([])
    node.spawn('--property-file=/nowhere/init.properties')
    expect([await node.exited(), node.output]).toEqual([78, expect.stringMatching(/cannot read \/nowhere\/init\.properties/)])
  })

  tally.test('C18 --check: 0 for a good file, 78 for a broken one, and no row is written', 'start', async () => {
    const good = await planned([])
    good.spawn('--check')
    expect(await good.exited()).toBe(0)
    const bad = await planned(['--c2s-ports=x'])
    bad.spawn('--check')
    expect([await bad.exited(), bad.output]).toEqual([78, expect.stringMatching(/--c2s-ports=x/)])
  })
})

describe('the name', () => {
  tally.test('K22 without --cluster-mode nobody listens on the cluster port', 'start', async () => {
    const alone = await planned(['--cluster-mode=false'])
    await alone.start()
    const error = await new Promise<Error & { code?: string }>((resolve) => {
      connect({ host: '127.0.0.1', port: alone.ports.cluster }).on('error', resolve)
    })
    expect(error.code).toBe('ECONNREFUSED')
    await alone.kill()
  }, 60_000)

  tally.test('C12 a name that another live node holds: 75, naming it, and the holder stays', 'start', async () => {
    const holder = await planned([])
    await holder.start()
    const second = await NodeProcess.plan({ ...holder.spec, dir: join(dir, 'second') })
    second.spawn()
    expect([await second.exited(), second.output]).toEqual([75,
      expect.stringMatching(new RegExp(`${holder.name}.*${holder.ports.cluster}`))])
    expect(await fetch(`http://127.0.0.1:${holder.ports.http}/ready`).then((r) => r.ok)).toBe(true)
    await holder.kill()
  }, 60_000)
})

describe('a node that starts all the same', () => {
  type Check = (node: NodeProcess) => Promise<void>
  const warned = (name: string, lines: () => Promise<readonly string[]>, check: Check): void => {
    tally.test(name, 'start', async () => {
      const node = await planned(await lines())
      try {
        await node.start()
        await check(node)
      } finally {
        await node.kill()
      }
    }, 60_000)
  }
  const pair = async (name: string, mode: number, days = 10, now = Date.now()): Promise<readonly string[]> => {
    const { certificate, key } = await selfSigned({ names: ['localhost'], now, days })
    writeFileSync(join(dir, `${name}.key`), key, { mode })
    return [`--tls-certificate=${file(`${name}.pem`, certificate)}`, `--tls-key=${join(dir, `${name}.key`)}`]
  }

  warned('C07 a key that others can read: a warning that names it', () => pair('open', 0o644), (node) => {
    expect(node.events('tls.key-readable-by-others')).toMatchObject([{ level: 'warn', file: join(dir, 'open.key') }])
    return Promise.resolve()
  })

  warned('C06 a certificate that has expired: an error, and health says so', () => pair('old', 0o600, 10, Date.now() - 20 * 86_400_000),
    async (node) => {
    expect(node.lines.filter((line) => String(line['event']).startsWith('tls.') && line['level'] === 'error')).toHaveLength(1)
    const { health } = await node.admin('/cluster') as { health: { state: string } }
    expect(health.state).toBe('degraded')
  })

  warned('C14 SIGHUP with a broken file: what was read stays, said once as an error', () => pair('kept', 0o600), async (node) => {
    const before = await serialOf(node)
    writeFileSync(join(dir, 'kept.pem'), 'broken', { mode: 0o600 })
    node.signal('SIGHUP')
    await until('it is said', () => node.events('tls.reload-refused').length > 0)
    expect(node.events('tls.reload-refused')).toMatchObject([{ level: 'error' }])
    expect(await serialOf(node)).toBe(before)
  })

  warned('C16 an option of Tigase that is not here: one warning that says what to use', () =>
    Promise.resolve(['--cross-domain-policy-file=x']), (node) => {
    const warnings = node.events('config.warning').filter((line) => JSON.stringify(line).includes('cross-domain-policy-file'))
    expect(warnings).toMatchObject([{ level: 'warn', warning: expect.stringContaining('--http-origins') as unknown }])
    return Promise.resolve()
  })
})

function serialOf(node: NodeProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port: node.ports.c2sTls, servername: 'localhost', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

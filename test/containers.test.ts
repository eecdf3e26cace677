/**
 * What `docker-compose.yml`, `Dockerfile`, `.dockerignore` and the files that they mount name is there and fits together.
 * No container runs here.
 */
import { describe, expect, test } from '@jest/globals'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { clusterOptions } from '../src/cluster/options.js'
import { doorOptions } from '../src/transport/options.js'
import { PROGRAM } from './support/node-process.js'

const ROOT = join(import.meta.dirname, '..')
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

interface Service {
  readonly image?: string
  readonly build?: string
  readonly hostname?: string
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
  readonly networks?: readonly string[]
  readonly depends_on?: readonly string[] | Readonly<Record<string, unknown>>
  readonly stop_grace_period?: string
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly networks: Readonly<Record<string, { readonly ipam: { readonly config: readonly { readonly subnet: string }[] } }>>
  readonly volumes: Readonly<Record<string, unknown>>
}

const compose = parse(read('docker-compose.yml'), { merge: true }) as Compose
const services = Object.entries(compose.services)
const nodes = services.filter(([, { build }]) => build !== undefined)
const dockerfile = read('Dockerfile')
const instructions = (name: string): string[][] =>
  dockerfile.split('\n').filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1).trim().split(/\s+/))
const command = JSON.parse(instructions('CMD')[0]?.join(' ') ?? '') as string[]
const entry = JSON.parse(instructions('ENTRYPOINT')[0]?.join(' ') ?? '') as string[]

const PROPERTIES = 'examples/compose/init.properties'
const check = (...words: readonly string[]): { status: number | null, output: string } => {
  const env = { ...process.env, STARLING_DB_PASSWORD: 'from-the-environment' }
  const options = { encoding: 'utf8', env, cwd: ROOT } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, 'run', '--check', ...words], options)
  return { status, output: stdout + stderr }
}
/** What the nodes open by default; 5290 and 5291 speak WebSocket like 5280 and 5281 and stay inside. */
const { c2sPorts, c2sTlsPorts, httpPorts, httpsPorts } = doorOptions
const DEFAULT_PORTS = [c2sPorts, c2sTlsPorts, httpPorts, httpsPorts, clusterOptions.ports].flatMap(({ initial }) => initial).map(String)

describe('docker-compose.yml', () => {
  test('has two nodes, PostgreSQL and HAProxy', () => {
    expect(services.map(([name]) => name).sort()).toEqual(['haproxy', 'node1', 'node2', 'postgres'])
    expect(nodes.map(([name, { hostname }]) => [name, hostname])).toEqual([['node1', 'node1'], ['node2', 'node2']])
  })

  test('mounts files that exist and volumes that it declares', () => {
    for (const volume of services.flatMap(([, service]) => service.volumes ?? [])) {
      const [from = ''] = volume.split(':')
      if (from.startsWith('.')) expect([from, existsSync(join(ROOT, from))]).toEqual([from, true])
      else expect(Object.keys(compose.volumes)).toContain(from)
    }
  })

  test('names services and networks that it has', () => {
    for (const [, { depends_on: needs = [], networks = [] }] of services) {
      for (const need of Array.isArray(needs) ? needs : Object.keys(needs)) expect(Object.keys(compose.services)).toContain(need)
      for (const network of networks) expect(Object.keys(compose.networks)).toContain(network)
    }
  })

  test('gives the nodes time to drain, and one password to them and the database', () => {
    for (const [, { stop_grace_period: grace = '', environment = {} }] of nodes) {
      expect(Number.parseInt(grace)).toBeGreaterThan(120)
      expect(environment['STARLING_DB_PASSWORD']).toBe(compose.services['postgres']?.environment?.['POSTGRES_PASSWORD'])
    }
  })

  test('maps the ports that HAProxy binds, and HAProxy knows the nodes by their names and default ports', () => {
    const proxy = read('examples/haproxy/compose.cfg')
    const bound = [...proxy.matchAll(/bind :(\d+)/g)].map(([, port]) => port)
    expect(compose.services['haproxy']?.ports).toEqual(bound.map((port) => `${port}:${port}`))
    const targets = [...proxy.matchAll(/server (\S+) (\S+):(\d+)/g)]
    expect(targets.length).toBeGreaterThan(0)
    for (const [, name = '', host, port = ''] of targets) {
      expect(host).toBe(name)
      expect(compose.services[name]?.hostname).toBe(host)
      expect(DEFAULT_PORTS).toContain(port)
    }
  })
})

describe('Dockerfile', () => {
  test('copies what exists and is not ignored', () => {
    const ignored = read('.dockerignore').split('\n').filter((line) => line !== '')
    for (const words of instructions('COPY').filter(([first]) => first?.startsWith('--from') !== true)) {
      for (const file of words.slice(0, -1).map((word) => word.replace('./', ''))) {
        expect([file, existsSync(join(ROOT, file))]).toEqual([file, true])
        expect(ignored).not.toContain(file)
      }
    }
  })

  test('carries everything that the program reads', () => {
    const copied = instructions('COPY').map((words) => words.join(' ')).join('\n')
    for (const part of ['node_modules', 'bin', 'dist', 'package.json', 'migrations']) expect(copied).toContain(part)
  })

  test('makes the folders that named volumes cover, so that they belong to the user it runs as', () => {
    const made = instructions('RUN').find(([program]) => program === 'install') ?? []
    const [[user] = []] = instructions('USER')
    expect(made.slice(0, 6)).toEqual(['install', '-d', '-o', user, '-g', user])
    for (const [, { volumes = [] }] of nodes) {
      for (const [from = '', to] of volumes.map((volume) => volume.split(':'))) {
        if (!from.startsWith('.')) expect(made).toContain(to)
      }
    }
  })

  test('starts a command and reads a file that Compose mounts', () => {
    expect(entry).toEqual(['/opt/starling/bin/starling'])
    const file = command.find((word) => word.startsWith('--property-file='))?.split('=')[1]
    for (const [, { volumes = [] }] of nodes) expect(volumes).toContain(`./${PROPERTIES}:${file}:ro`)
    expect(check(...command.slice(1).map((word) => word.replace(file ?? '-', PROPERTIES))).status).toBe(0)
  })

  test('exposes the default ports', () => {
    expect(instructions('EXPOSE')[0]).toEqual(DEFAULT_PORTS)
  })
})

describe('examples/compose/init.properties', () => {
  test('is a good configuration, the password comes from the environment', () => {
    const { status, output } = check(`--property-file=${PROPERTIES}`)
    expect({ status, output }).toEqual({ status: 0, output: expect.stringMatching(/^the configuration is good\n$/) })
  })

  test('an option that nobody knows would be refused: the check can fail', () => {
    expect(check(`--property-file=${PROPERTIES}`, '--trusted-proxy=10.0.0.1')).toMatchObject({
      status: 78, output: expect.stringContaining('--trusted-proxies')
    })
  })

  test('speaks of the database, the certificates and the network as Compose has them', () => {
    const text = read(PROPERTIES)
    const [, host = '', database, user] = /jdbc:postgresql:\/\/(\w+):5432\/(\w+)\?user=(\w+)/.exec(text) ?? []
    expect(compose.services[host]?.environment).toMatchObject({ POSTGRES_USER: user, POSTGRES_DB: database })
    expect(text).toContain(`--trusted-proxies=${compose.networks['cluster']?.ipam.config[0]?.subnet}`)
    const [, place = ''] = /--ssl-certs-location=(\S+)/.exec(text) ?? []
    for (const [, { volumes = [] }] of nodes) expect(volumes.map((volume) => volume.split(':')[1])).toContain(place)
  })

  test('expects the PROXY header on exactly those ports on which HAProxy sends it', () => {
    const sent = [...read('examples/haproxy/compose.cfg').matchAll(/server node1 node1:(\d+) send-proxy/g)].map(([, port]) => port)
    expect(read(PROPERTIES)).toContain(`--proxy-protocol=${sent.join(',')}\n`)
  })
})

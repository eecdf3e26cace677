/**
 * `starling cluster test`: two throw-away accounts, a login through every node's client port, a message from each node
 * to each, and a table of how long it took. What it shows is what any client would meet.
 */
import { randomBytes } from 'node:crypto'
import { xml } from '../xml/element.js'
import type { NodeRow } from '../storage/cluster-tables.js'
import { CommandError } from './exit-codes.js'
import { ProbeClient, type ProbeAccount } from './probe-client.js'
import { table } from './table.js'

export interface ClusterTestPorts {
  /** Live nodes. */
  nodes(): Promise<readonly NodeRow[]>
  createAccount(account: ProbeAccount): Promise<void>
  removeAccount(account: ProbeAccount): Promise<void>
  print(text: string): void
}

const LOGIN_MS = 10_000
const MESSAGE_MS = 10_000

type Cell = number | Error

/** @returns true when every cell is green */
export async function clusterTest(domain: string, ports: ClusterTestPorts): Promise<boolean> {
  const nodes = (await ports.nodes()).filter((node) => node.state === 'up')
  if (nodes.length === 0) throw new CommandError('no node of this cluster is up')
  const [sender, receiver] = [throwAway(domain), throwAway(domain)]
  try {
    await ports.createAccount(sender)
    await ports.createAccount(receiver)
    const cells = await exchange(nodes, sender, receiver)
    ports.print(render(nodes, cells))
    return cells.flat().every((cell) => typeof cell === 'number')
  } finally {
    await ports.removeAccount(sender)
    await ports.removeAccount(receiver)
  }
}

const throwAway = (domain: string): ProbeAccount =>
  ({ user: `cluster-test-${randomBytes(6).toString('hex')}`, domain, password: randomBytes(16).toString('hex') })

async function exchange(nodes: readonly NodeRow[], sender: ProbeAccount, receiver: ProbeAccount): Promise<Cell[][]> {
  const senders = await Promise.all(nodes.map((node) => login(node, sender)))
  const receivers = await Promise.all(nodes.map((node) => login(node, receiver)))
  const cells: Cell[][] = []
  for (const from of senders) {
    const row: Cell[] = []
    for (const to of receivers) row.push(await message(from, to))
    cells.push(row)
  }
  for (const client of [...senders, ...receivers]) if (client instanceof ProbeClient) client.close()
  return cells
}

async function login(node: NodeRow, account: ProbeAccount): Promise<ProbeClient | Error> {
  const [, host, port] = /^\[?(.+?)\]?:(\d+)$/.exec(node.services.c2s ?? '') ?? []
  if (host === undefined) return new Error(`${node.hostname} names no client port`)
  return ProbeClient.login(host, Number(port), account, LOGIN_MS).catch((error: unknown) =>
    error instanceof Error ? error : new Error(String(error)))
}

/** Milliseconds from sending to arriving. */
async function message(from: ProbeClient | Error, to: ProbeClient | Error): Promise<Cell> {
  if (from instanceof Error) return from
  if (to instanceof Error) return to
  const id = randomBytes(8).toString('hex')
  const started = performance.now()
  from.send(xml('message', { to: to.jid, id, type: 'chat' }, xml('body', {}, `cluster test ${id}`)))
  try {
    await to.next((element) => element.name === 'message' && element.attrs['id'] === id, MESSAGE_MS)
    return performance.now() - started
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

function render(nodes: readonly NodeRow[], cells: readonly (readonly Cell[])[]): string {
  const names = nodes.map((node) => node.hostname)
  const rows = cells.map((row, i) =>
    [names[i] ?? '', ...row.map((cell) => (typeof cell === 'number' ? `ok ${cell.toFixed(1)} ms` : `FAILED ${cell.message}`))])
  return table(['from \\ to', ...names], rows)
}

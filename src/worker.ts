/**
 * One worker of `--workers`: its number and how it speaks with its parent, and the settings of a full member of the
 * cluster made from those of the machine. What the parent does is `workers.ts`.
 */
import cluster from 'node:cluster'
import { machineName, nodeName } from './cluster/configure.js'
import type { ServerSettings } from './groups.js'
import type { NodeRef } from './router/strategy.js'
import { ADMIN_PORT } from './transport/doors.js'

/** What the parent gives each worker it starts. */
export const WORKER_NUMBER = 'STARLING_WORKER'
/** The incarnation of the worker's former process, whose end the parent has seen. */
export const WORKER_DEAD = 'STARLING_WORKER_DEAD'

/** From a worker to its parent, for each life that it takes. */
export interface Began {
  readonly began: number
}

export interface WorkerSelf {
  readonly number: number
  /** A life that is over for certain: its name is taken at once. */
  readonly dead: number | undefined
  began(node: NodeRef): void
  /** Resolves when the parent wants an end, or has ended itself. */
  readonly released: Promise<void>
  /** Nothing keeps this process from here on. */
  leave(): void
}

/** `undefined` in a process that no parent started as a worker. */
export function workerSelf(): WorkerSelf | undefined {
  const { worker } = cluster
  if (worker === undefined) return undefined
  const { [WORKER_NUMBER]: number, [WORKER_DEAD]: dead } = process.env
  // Node tells the parent of each port that is closed; one that has gone meanwhile must not end this process before its row is written
  worker.on('error', () => undefined)                  // `disconnect` follows
  const released = new Promise<void>((resolve) => {
    worker.on('disconnect', () => {
      worker.exitedAfterDisconnect = true              // else Node ends the process here and now
      resolve()
    })
  })
  return {
    number: Number(number), dead: dead === undefined ? undefined : Number(dead), released,
    began: ({ incarnation }) => { if (process.connected) process.send?.({ began: incarnation } satisfies Began) },
    leave: () => { if (process.connected) process.disconnect() }
  }
}

const LOOPBACK = '127.0.0.1'

/**
 * Settings of worker `number`: a name and ports of its own for links and the admin listener. What one machine has once
 * (memory, descriptors) is divided; limits per address are counted by each worker for itself.
 */
export function workerSettings(settings: ServerSettings, number: number): ServerSettings {
  const { values, database: { kind } } = settings
  const { cluster: given, doors, addressLimits, streamLimits, httpLimits, server: { workers } } = values
  if (workers === 1) return settings
  const up = (port: number): number => (port === 0 ? 0 : port + number - 1)
  const part = (whole: number): number => Math.ceil(whole / workers)
  // Without cluster mode nobody else dials, and nobody else can on SQLite.
  const here = given.advertise === undefined && (!given.mode || kind === 'sqlite')
  const { advertise = here ? { host: LOOPBACK, device: '', port: undefined } : undefined, listen } = given
  const links = {
    ...given, mode: true, allowLoopback: given.allowLoopback || here,
    primaryAddress: `${machineName(nodeName(given))}/${number}`, ports: given.ports.map(up), listen: here ? [LOOPBACK] : listen,
    advertise: advertise?.port === undefined ? advertise : { ...advertise, port: up(advertise.port) }
  }
  const { adminListen } = doors
  const admin = adminListen && { ...adminListen, port: up(adminListen.port ?? ADMIN_PORT) }
  return {
    ...settings,
    values: {
      ...values, cluster: links, doors: { ...doors, adminListen: admin },
      addressLimits: { ...addressLimits, connectionsMax: part(addressLimits.connectionsMax) },
      streamLimits: { ...streamLimits, pendingTotalMax: part(streamLimits.pendingTotalMax) },
      httpLimits: { ...httpLimits, boshSessions: part(httpLimits.boshSessions) }
    }
  }
}

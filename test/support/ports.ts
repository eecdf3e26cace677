/**
 * Ports for what a test starts. Each of the runner's processes has a part of its own, so that none takes a port that another has
 * chosen a moment ago, or that a node or database is about to come back to.
 */
import { freePorts as among, PORTS } from '../../src/admin/free-ports.js'

/** More than anybody has cores. */
const PARTS = 16
const size = Math.floor((PORTS.end - PORTS.first) / PARTS)
const part = Number(process.env['JEST_WORKER_ID'] ?? 1) % PARTS

export const freePorts = (count: number): Promise<number[]> =>
  among(count, { first: PORTS.first + part * size, end: PORTS.first + (part + 1) * size })

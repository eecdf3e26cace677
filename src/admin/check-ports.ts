/** `starling check`: every port of the configuration is free, or held by this very node. */
import { createServer } from 'node:net'
import { codeOf } from '../transport/failure.js'
import { ListenError, noSuchFamily, type Place } from '../transport/listen-error.js'
import { findings, type Finding } from './finding.js'
import type { NodePage } from './node-page.js'

const { ok, fail } = findings('ports')

type Found = Promise<readonly Finding[]>

/** @param page of the node itself when it runs; @param more ports of it, which the page does not name */
export async function checkPorts(places: readonly Place[], page: NodePage | undefined, more: readonly number[]): Found {
  const held = new Set([...Object.values(page?.doors ?? {}).flat(), ...(page === undefined ? [] : more)])
  const free: Place[] = []
  const used: Place[] = []
  const bad: Finding[] = []
  for (const place of places) {
    const error = await tryPort(place)
    if (error === undefined) free.push(place)
    else if (held.has(place.port) && codeOf(error) === 'EADDRINUSE') used.push(place)
    else bad.push(fail(new ListenError(place, error).message))
  }
  return [
    ...free.length > 0 ? [ok(`free: ${portsOf(free)}`)] : [],
    ...used.length > 0 ? [ok(`held by this node, which runs: ${portsOf(used)}`)] : [],
    ...bad
  ]
}

const portsOf = (places: readonly Place[]): string => [...new Set(places.map(({ port }) => port))].join(' ')

async function tryPort(place: Place): Promise<unknown> {
  const error = await tried(place)
  return place.host === '::' && noSuchFamily(error) ? tried({ ...place, host: '0.0.0.0' }) : error
}

/** Opens the port for a moment. */
function tried({ host, port }: Place): Promise<unknown> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', resolve)
    server.listen({ host, port }, () => { server.close(() => { resolve(undefined) }) })
  })
}

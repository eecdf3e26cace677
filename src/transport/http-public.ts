/**
 * The public HTTP paths: BOSH, host-meta (XEP-0156), health; and the rules for WebSocket upgrades on the same ports.
 */
import { escapeAttribute } from '../xml/escape.js'
import type { BoshAnswer, BoshSessions } from './bosh.js'
import type { TransportRoom } from './bounds.js'
import { cookieFor } from './cookie.js'
import { HttpDoor, HttpRefusal } from './http.js'
import type { HttpHandler, HttpReply, HttpRequest, HttpRoute } from './http.js'
import type { AddressLimits } from './limits.js'
import type { Networks } from './networks.js'
import type { HttpLimitSettings } from './options.js'
import { Origins, PREFLIGHT } from './origins.js'
import type { Accept } from './transport.js'
import { Upgrades, WEBSOCKET_PATH } from './websocket-door.js'

export const BOSH_PATH = '/http-bind'

export interface PublicParts {
  readonly room: TransportRoom
  readonly limits: HttpLimitSettings
  readonly addresses: AddressLimits
  readonly trusted: Networks
  readonly origins: readonly string[]
  /** Base URL for host-meta; empty: from the request. */
  readonly publicUrl: string
  readonly nodeName: string
  readonly bosh: BoshSessions
  readonly accept: Accept
  /** 200 or 503 of `/healthz` and `/ready`. */
  readonly healthy: () => boolean
  readonly ready: () => boolean
  /** True for doors that speak WebSocket whatever the path (ws2s). */
  readonly anyPath: boolean
}

export function publicDoor(parts: PublicParts): HttpDoor {
  const origins = new Origins(parts.origins)
  const upgrades = new Upgrades(parts, origins)
  const routes: readonly HttpRoute[] = [
    { path: BOSH_PATH, handler: boshHandler(parts, origins) },
    { path: `${BOSH_PATH}/`, handler: boshHandler(parts, origins) },
    { path: WEBSOCKET_PATH, handler: noUpgrade },
    { path: '/.well-known/host-meta', handler: (request) => hostMeta(parts, request) },
    { path: '/.well-known/host-meta.json', handler: (request) => hostMetaJson(parts, request) },
    ...healthRoutes(parts)
  ]
  const door: HttpDoor = new HttpDoor({
    routes, limits: parts.limits, trusted: parts.trusted, log: parts.room.log,
    onUpgrade: (request, socket, head) => upgrades.take(door, request, { socket, head })
  })
  return door
}

export function healthRoutes({ healthy, ready }: Pick<PublicParts, 'healthy' | 'ready'>): readonly HttpRoute[] {
  return [
    { path: '/healthz', handler: (request) => lamp(request, healthy()) },
    { path: '/ready', handler: (request) => lamp(request, ready()) }
  ]
}

const PLAIN = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }

function lamp(request: HttpRequest, green: boolean): HttpReply {
  if (request.method !== 'GET' && request.method !== 'HEAD') return { status: 405, headers: { allow: 'GET, HEAD' } }
  return { status: green ? 200 : 503, headers: PLAIN, body: green ? 'ok\n' : 'not ready\n' }
}

function noUpgrade(request: HttpRequest): HttpReply {
  if (request.method !== 'GET') return { status: 405, headers: { allow: 'GET' } }
  return { status: 400, headers: PLAIN, body: 'this is a WebSocket (RFC 7395): ask for an upgrade\n' }
}

function boshHandler(parts: PublicParts, origins: Origins): HttpHandler {
  return async (request) => {
    const { origin } = request.headers
    const cors = origins.headersFor(origin)
    if (!origins.allows(origin)) return { status: 403, headers: cors }
    if (request.method === 'OPTIONS') return { status: 204, headers: { ...cors, ...PREFLIGHT } }
    if (request.method !== 'POST') return { status: 405, headers: { ...cors, allow: 'POST, OPTIONS' } }
    const { address, secure } = request.client
    const body = await request.body(parts.limits.boshBodyBytes).catch((error: unknown) => { throw withHeaders(error, cors) })
    const answer = await parts.bosh.serve({ address, secure, body }, { paid: request.direct, onLost: (task) => request.onLost(task) })
    const cookie = cookieFor(parts.nodeName, request.headers, request.client.secure)
    return answer.status === 0 ? undefined : httpReply(answer, { ...cors, ...cookie })
  }
}

function withHeaders(error: unknown, headers: Readonly<Record<string, string>>): unknown {
  if (!(error instanceof HttpRefusal)) return error
  return new HttpRefusal({ ...error.reply, headers: { ...error.reply.headers, ...headers } })
}

function httpReply(answer: BoshAnswer, headers: Readonly<Record<string, string>>): HttpReply {
  return {
    status: answer.status, body: answer.body,
    headers: { ...headers, 'content-type': answer.contentType, 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' }
  }
}

/** XEP-0156 §3: where WebSocket and BOSH are. */
function links(parts: PublicParts, request: HttpRequest): readonly { readonly rel: string, readonly href: string }[] {
  const host = request.headers.host ?? ''
  const base = parts.publicUrl === '' ? `${request.client.secure ? 'https' : 'http'}://${host}` : parts.publicUrl.replace(/\/$/, '')
  return [
    { rel: 'urn:xmpp:alt-connections:xbosh', href: `${base}${BOSH_PATH}` },
    { rel: 'urn:xmpp:alt-connections:websocket', href: `${base.replace(/^http/, 'ws')}${WEBSOCKET_PATH}` }
  ]
}

/** The Host header comes back in the answer, so only what can be a host is taken. */
function badHost(request: HttpRequest): boolean {
  return !/^(?:[\w.-]{1,255}|\[[0-9a-fA-F:.]{2,45}\])(?::\d{1,5})?$/.test(request.headers.host ?? '')
}

const OPEN_TO_ALL = { 'access-control-allow-origin': '*' }               // XEP-0156 §3: web pages must be able to read it

function hostMeta(parts: PublicParts, request: HttpRequest): HttpReply {
  if (badHost(request)) return { status: 400, headers: PLAIN }
  const entries = links(parts, request).map(({ rel, href }) => `  <Link rel="${rel}" href="${escapeAttribute(href)}"/>\n`).join('')
  const body = `<?xml version="1.0" encoding="utf-8"?>\n<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">\n${entries}</XRD>\n`
  return { status: 200, headers: { ...OPEN_TO_ALL, 'content-type': 'application/xrd+xml; charset=utf-8' }, body }
}

function hostMetaJson(parts: PublicParts, request: HttpRequest): HttpReply {
  if (badHost(request)) return { status: 400, headers: PLAIN }
  const body = `${JSON.stringify({ links: links(parts, request) })}\n`
  return { status: 200, headers: { ...OPEN_TO_ALL, 'content-type': 'application/json' }, body }
}

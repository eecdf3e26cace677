/**
 * The cookie that names the node, for balancers that stick by cookie. It carries nothing else.
 */
import type { IncomingHttpHeaders } from 'node:http'

export const NODE_COOKIE = 'STARLING_NODE'

/** Once for each browser; in HTTPS it may travel from another site's page (RFC 6265bis §5.2). */
export function cookieFor(nodeName: string, headers: IncomingHttpHeaders, secure: boolean): Readonly<Record<string, string>> {
  const value = encodeURIComponent(nodeName)
  if ((headers.cookie ?? '').split(/;\s*/).includes(`${NODE_COOKIE}=${value}`)) return {}
  const site = secure ? 'SameSite=None; Secure' : 'SameSite=Lax'
  return { 'set-cookie': `${NODE_COOKIE}=${value}; Path=/; HttpOnly; ${site}` }
}

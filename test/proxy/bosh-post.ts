/** One BOSH request on a connection of its own, from a chosen loopback address, with a chosen cookie. */
import { request, type IncomingHttpHeaders } from 'node:http'

export interface Post {
  readonly port: number
  readonly body: string
  readonly from?: string
  readonly cookie?: string
}

export interface Posted {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export function post({ port, body, from = '127.0.0.1', cookie }: Post): Promise<Posted> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'text/xml; charset=utf-8', ...(cookie === undefined ? {} : { cookie }) }
    const options = { host: '127.0.0.1', port, path: '/http-bind', method: 'POST', localAddress: from, agent: false, headers }
    const asked = request(options, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
      answer.once('end', () => { resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }) })
    })
    asked.once('error', reject)
    asked.end(body)
  })
}

export const opening = (rid: number): string =>
  `<body xmlns='http://jabber.org/protocol/httpbind' rid='${rid}' to='localhost' ver='1.11' wait='1' hold='1' xml:lang='en' `
  + `xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh'/>`
export const empty = (rid: number, sid: string): string => `<body xmlns='http://jabber.org/protocol/httpbind' rid='${rid}' sid='${sid}'/>`

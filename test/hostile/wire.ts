/** A connection that sends exactly the bytes it is told, over each transport; the wires themselves know no XMPP but framing. */
import type { NodePorts } from '../support/node-process.js'
import type { Form } from './corpus/row.js'
import type { Inbox } from './inbox.js'
import { openBosh } from './wire-bosh.js'
import { openTcp } from './wire-tcp.js'
import { openWebSocket } from './wire-websocket.js'

export interface Wire {
  readonly form: Form
  readonly inbox: Inbox
  /** The stream's header, in the transport's form; also begins a stream anew. */
  header(attrs: Readonly<Record<string, string>>): void
  send(bytes: Uint8Array): void
  /** Many segments, where there are segments. */
  drip(bytes: Uint8Array): Promise<void>
  /** Closes the stream as a good client does. */
  close(): void
  /** Drops the connection. */
  cut(): void
}

export function openWire(form: Form, ports: NodePorts): Promise<Wire> {
  switch (form) {
    case 'tcp': case 'starttls': case 'tls': return openTcp(form, ports)
    case 'websocket': return openWebSocket(ports)
    case 'bosh': return Promise.resolve(openBosh(ports))
    default: return form satisfies never
  }
}

/** Attributes as they stand in a tag. */
export const written = (attrs: Readonly<Record<string, string>>): string =>
  Object.entries(attrs).map(([name, value]) =>
    ` ${name}='${value.replace(/&/g, '&amp;').replace(/'/g, '&apos;').replace(/</g, '&lt;')}'`).join('')

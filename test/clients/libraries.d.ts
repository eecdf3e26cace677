/** The part of @xmpp/client that its driver uses; the library brings no types. */
declare module '@xmpp/client' {
  import type { EventEmitter } from 'node:events'
  import type { Element } from 'ltx'

  export interface FastToken {
    readonly mechanism: string
    readonly token: string
    readonly expiry: string
  }

  interface Credentials {
    readonly username: string
    readonly password?: string
    readonly token?: FastToken | undefined
  }

  /** Called with what to log in by, once the server has said what it offers. */
  type OnAuthenticate = (
    authenticate: (credentials: Credentials, mechanism: string, userAgent: Element) => Promise<void>,
    mechanisms: readonly string[],
    fast: { fetch(): Promise<FastToken | undefined> } | null
  ) => Promise<void>

  interface XmppClient extends EventEmitter {
    readonly iqCaller: { get(payload: Element, to?: string): Promise<Element | undefined> }
    readonly reconnect: { delay: number, stop(): void }
    readonly socket: { destroy?(): void, readonly socket?: { destroy(): void } | null } | null
    readonly streamManagement: EventEmitter & { readonly enabled: boolean, inbound: number }
    readonly fast: {
      saveToken: (token: FastToken) => Promise<void>
      fetchToken: () => Promise<FastToken | undefined>
      deleteToken: () => Promise<void>
    }
    start(): Promise<{ toString(): string }>
    stop(): Promise<void>
    send(stanza: Element): Promise<void>
  }

  interface ClientOptions {
    readonly service: string
    readonly domain: string
    readonly username: string
    readonly password?: string
    readonly credentials?: OnAuthenticate
    readonly userAgent?: Element
    /** Milliseconds for each step of a login. */
    readonly timeout: number
  }

  export function client(options: ClientOptions): XmppClient
  export function xml(name: string, attrs?: Readonly<Record<string, string>> | null, ...children: (Element | string)[]): Element
}

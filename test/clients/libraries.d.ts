/** The part of @xmpp/client that its driver uses; the library brings no types. */
declare module '@xmpp/client' {
  import type { EventEmitter } from 'node:events'
  import type { Element } from 'ltx'

  interface XmppClient extends EventEmitter {
    readonly iqCaller: { get(payload: Element, to?: string): Promise<Element | undefined> }
    readonly reconnect: { delay: number, stop(): void }
    readonly socket: { destroy?(): void, readonly socket?: { destroy(): void } | null } | null
    readonly streamManagement: EventEmitter & { readonly enabled: boolean }
    start(): Promise<{ toString(): string }>
    stop(): Promise<void>
    send(stanza: Element): Promise<void>
  }

  interface ClientOptions {
    readonly service: string
    readonly domain: string
    readonly username: string
    readonly password: string
    /** Milliseconds for each step of a login. */
    readonly timeout: number
  }

  export function client(options: ClientOptions): XmppClient
  export function xml(name: string, attrs?: Readonly<Record<string, string>> | null, ...children: (Element | string)[]): Element
}

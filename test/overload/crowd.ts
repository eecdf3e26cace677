/** The test's end of a crowd: a process with many clients (`crowd-process.js`). */
import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'

export interface Percentiles {
  readonly n: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export interface Seat {
  readonly user: string
  readonly resource: string
  /** The client's own address, 127.0.0.x. */
  readonly host?: string
}

export interface LoginWish {
  readonly port: number
  readonly logins: readonly Seat[]
  readonly atOnce?: number
  /** They begin evenly over this time. */
  readonly overMs?: number
  readonly available?: boolean
  readonly sm?: boolean
  readonly resume?: boolean
}

export type Logins = Percentiles & { readonly failures: Readonly<Record<string, number>>, readonly how: Readonly<Record<string, number>> }

export interface Flood {
  readonly from: readonly string[]
  readonly to: readonly string[]
  /** Of all senders together. */
  readonly perSecond: number
  readonly seconds: number
  /** Of one body. */
  readonly bytes: number
}

/** Of numbered messages: arrived somewhere, refused to their sender, or neither so far. */
export interface Tally {
  readonly sent: number
  readonly arrived: number
  readonly refused: number
  readonly doubled: number
  readonly disordered: number
  readonly open: number
  readonly errors: Readonly<Record<string, number>>
  readonly latency: Percentiles
  readonly closings: Readonly<Record<string, number>>
}

export interface Knocks {
  readonly knocked: number
  readonly answered: number
  readonly failures: Readonly<Record<string, number>>
}

export const jidOf = ({ user, resource }: Seat): string => `${user}@localhost/${resource}`

type Answered = { readonly id: number, readonly result?: unknown, readonly error?: string }

export class Crowd {
  readonly #child: ChildProcess
  readonly #open = new Map<number, { readonly done: (result: unknown) => void, readonly failed: (error: Error) => void }>()
  #last = 0

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', ({ id, result, error }: Answered) => {
      const open = this.#open.get(id)
      this.#open.delete(id)
      if (error === undefined) open?.done(result)
      else open?.failed(new Error(error))
    })
    child.on('exit', () => { for (const { failed } of this.#open.values()) failed(new Error('the crowd has ended')) })
  }

  static async start(): Promise<Crowd> {
    const child = fork(join(import.meta.dirname, 'crowd-process.js'), [], { execArgv: [] })
    const crowd = new Crowd(child)
    await new Promise<void>((done, failed) => crowd.#open.set(0, { done: () => { done() }, failed }))
    return crowd
  }

  login(wish: LoginWish): Promise<Logins> { return this.#call('login', wish) }
  flood(what: Flood): Promise<number> { return this.#call('flood', what) }
  knock(what: { readonly port: number, readonly perSecond: number, readonly seconds: number }): Promise<Knocks> {
    return this.#call('knock', what)
  }

  tally(): Promise<Tally> { return this.#call('tally') }
  /** `open`, `paused`, or bytes a second. */
  read(jids: readonly string[], how: 'open' | 'paused' | number): Promise<void> { return this.#call('read', { jids, how }) }
  cut(jids: readonly string[]): Promise<void> { return this.#call('cut', { jids }) }
  write(jid: string, text: string): Promise<boolean> { return this.#call('write', { jid, text }) }
  /** How many of them got a ping back in time. */
  barrier(jids: readonly string[], ms: number): Promise<number> { return this.#call('barrier', { jids, ms }) }
  alive(jids: readonly string[]): Promise<number> { return this.#call('alive', { jids }) }
  canary(jid: string, everyMs = 50): Promise<void> { return this.#call('canary', { jid, everyMs }) }
  /** What its pings took since the last time this was asked. */
  sung(jid: string, go: boolean): Promise<Percentiles & { readonly unanswered: number }> { return this.#call('canaryEnd', { jid, go }) }

  end(): void {
    this.#child.disconnect()
  }

  #call<T>(command: string, args?: object): Promise<T> {
    const id = ++this.#last
    return new Promise((done, failed) => {
      this.#open.set(id, { done: done as (result: unknown) => void, failed })
      this.#child.send({ id, command, args })
    })
  }
}

/**
 * Runs compiled tables: synchronously until a handler returns a promise, phase by phase. The one place where what a
 * handler throws becomes a `StanzaError`: a refusal as it is, a storage failure as `wait`, anything else is our bug.
 */
import type { Device } from '../session/device.js'
import type { Log } from '../telemetry/log.js'
import type { Stanza } from '../xmpp/stanza.js'
import { StanzaError } from '../xmpp/errors.js'
import {
  Drop, type Context, type Delivering, type Delivery, type IqAction, type IqRequest, type LifeHandler, type Reply, type Stranded
} from './api.js'
import type { Audience, Owned, Pipeline, Step } from './compile.js'
import type { Element } from '../xml/element.js'

const NOTHING: readonly Delivery[] = []

export function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

/** A stanza on its way through one half. */
export class Passage {
  stanza: Stanza
  /** Set when it goes no further. */
  dropped: Drop | undefined
  /** They follow the stanza itself. */
  copies: readonly Delivery[] = NOTHING
  readonly #steps: readonly Step[]
  readonly #ctx: Context
  #at = 0

  constructor(steps: readonly Step[], stanza: Stanza, ctx: Context) {
    this.#steps = steps
    this.stanza = stanza
    this.#ctx = ctx
  }

  /** @throws StanzaError (or rejects with one) and nothing else */
  run(): this | Promise<this> {
    for (let step = this.#steps[this.#at]; step !== undefined; step = this.#steps[++this.#at]) {
      let result
      try {
        result = step.run(this.stanza, this.#ctx)
      } catch (thrown) {
        throw refusalOf(thrown, step.plugin, this.#ctx)
      }
      if (isPromise(result)) return this.#wait(step, result)
      if (this.#take(result)) return this
    }
    return this
  }

  async #wait(step: Step, result: Promise<unknown>): Promise<this> {
    let settled
    try {
      settled = await result
    } catch (thrown) {
      throw refusalOf(thrown, step.plugin, this.#ctx)
    }
    if (this.#take(settled as Exclude<ReturnType<Step['run']>, Promise<unknown>>)) return this
    this.#at++
    return this.run()
  }

  /** True when the stanza goes no further. */
  #take(result: void | Drop | Stanza | readonly Delivery[]): boolean {
    if (result === undefined) return false
    if (result instanceof Drop) {
      this.dropped = result
      return true
    }
    if (isList(result)) this.copies = this.copies.length === 0 ? result : [...this.copies, ...result]
    else this.stanza = result
    return false
  }
}

function isList(result: Stanza | readonly Delivery[]): result is readonly Delivery[] {
  return Array.isArray(result)
}

/** @throws StanzaError (or rejects with one) and nothing else */
export function runIq(found: Owned<IqAction>, request: IqRequest, ctx: Context): void | Element | Reply | Promise<void | Element | Reply> {
  try {
    const result = found.run(request, ctx)
    if (!isPromise(result)) return result
    return result.catch((thrown: unknown) => {
      throw refusalOf(thrown, found.plugin, ctx)
    })
  } catch (thrown) {
    throw refusalOf(thrown, found.plugin, ctx)
  }
}

/** The stanza as this device gets it, or what goes elsewhere instead. */
export function runDelivering(table: readonly Owned<Delivering>[], stanza: Stanza, device: Device, ctx: Context): Stanza | Drop {
  let current = stanza
  for (const { plugin, run } of table) {
    try {
      const result = run(current, device, ctx)
      if (result instanceof Drop) return result
      if (result !== undefined) current = result
    } catch (thrown) {
      refusalOf(thrown, plugin, ctx)      // a device that a plugin trips over still gets the stanza
    }
  }
  return current
}

/** Number of the offline row, 0 when it was dealt with otherwise, `undefined` when nobody wanted it. */
export async function runStranded(table: readonly Owned<Stranded>[], stanza: Stanza, ctx: Context): Promise<number | undefined> {
  for (const { plugin, run } of table) {
    try {
      const row = await run(stanza, ctx)
      if (typeof row === 'number') return row
    } catch (thrown) {
      throw refusalOf(thrown, plugin, ctx)
    }
  }
  return undefined
}

/** What all handlers want sent; one that fails does not keep the others from running. */
export async function runLife(table: readonly Owned<LifeHandler>[], device: Device, ctx: Context): Promise<readonly Delivery[]> {
  const deliveries: Delivery[] = []
  for (const { plugin, run } of table) {
    try {
      deliveries.push(...await run(device, ctx) ?? NOTHING)
    } catch (thrown) {
      refusalOf(thrown, plugin, ctx)
    }
  }
  return deliveries
}

/** The predicate, or one that holds for nobody when a peer of another version names what we do not know. */
export function audienceOf(pipeline: Pipeline, name: string, log: Log): Audience {
  const holds = pipeline.audiences.get(name)
  if (holds === undefined) log.warn({ audience: name }, 'audience.unknown')
  return holds ?? (() => false)
}

/** RFC 6120 §8.3.3.6, §8.3.3.18: the one place where a failure of the store or a bug becomes an answer. */
export function refusalOf(thrown: unknown, plugin: string, ctx: { readonly key: string; readonly log: Log }): StanzaError {
  if (thrown instanceof StanzaError) return thrown
  if (thrown instanceof Error && thrown.name === 'StorageError') {
    ctx.log.warn({ plugin, key: ctx.key, err: thrown }, 'storage.refused')
    return new StanzaError('wait', 'resource-constraint', 'The database does not answer; try again later')
  }
  ctx.log.error({ plugin, key: ctx.key, err: thrown }, 'plugin.failed')
  return new StanzaError('cancel', 'internal-server-error')
}

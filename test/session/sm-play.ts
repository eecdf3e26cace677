/**
 * One client and the real session behind a transport in memory, driven by a seed; after each step both are held against the
 * model. Frames that nobody has read are lost with their connection, and a connection may fade: nothing passes any more.
 */
import { memoryPair, type MemoryClient } from '../../src/transport/memory.js'
import { Stanza } from '../../src/xmpp/stanza.js'
import { parseJid } from '../../src/xmpp/jid.js'
import type { RawElement } from '../../src/xml/raw.js'
import { xml } from '../../src/xml/element.js'
import { bindIq, plainAuth, Rig } from '../stream/rig.js'
import { ALICE, answer, ASK, ENABLE, resume } from './managed.js'
import { SmModel } from './sm-model.js'

/** The least that may be set, so that both bounds are met. */
const QUEUE_MAX = 10
const BURST = 10
const JID = parseJid(ALICE)
const BOB = parseJid('bob@im.test/x')

/** Numbers from 0 to 1 by a seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

const quiet = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => {
    setImmediate(resolve)
  })
}

export class Divergence extends Error {}

export interface Tally {
  readonly [event: string]: number
}

export class SmPlay {
  readonly #random: () => number
  readonly #rig = new Rig({
    session: { smQueue: QUEUE_MAX, smAckSeconds: 3_600 }, slow: { slowBytes: 1_048_576, slowMs: 100_000_000 }
  })
  readonly #seed: number
  #model = new SmModel({ queueMax: QUEUE_MAX, burst: BURST })
  #client: MemoryClient | undefined
  /** The client believes in a connection on which nothing passes. */
  #faded = false
  #id = ''
  /** The client's side: what it got, what it sent, what of that is acknowledged. */
  #got = 0
  #sent = 0
  #ackedByServer = 0
  /** Numbers that the handler got and has not dealt with. */
  #pending: number[] = []
  #routed: number[] = []
  #steps = 0
  #last = ''
  readonly #seen: Record<string, number> = {}

  constructor(seed: number) {
    this.#seed = seed
    this.#random = randomOf(seed)
    this.#rig.handler.onReceive = (session, stanza, index) => {
      this.#routed.push(Number(stanza.id))
      if (this.#random() < 0.5) {
        this.#model.handle(index)
        session.handled(index)
      } else this.#pending.push(index)
    }
  }

  /** How often what happened. */
  get seen(): Tally {
    return this.#seen
  }

  async run(steps: number): Promise<void> {
    await this.#rig.user('alice@im.test')
    await this.#begin()
    for (this.#steps = 1; this.#steps <= steps; this.#steps++) {
      await this.#step()
      this.#compare()
    }
    this.#client?.cut()
    await quiet()
  }

  async #step(): Promise<void> {
    const dice = this.#random()
    if (dice < 0.25) await this.#act('deliver', () => this.#deliver(1 + this.#pick(6)))
    else if (dice < 0.40) await this.#act('send', () => this.#send(1 + this.#pick(6)))
    else if (dice < 0.52) await this.#act('handle', () => this.#handle())
    else if (dice < 0.76) await this.#act('read', () => this.#read(1 + this.#pick(12)))
    else if (dice < 0.82) await this.#act('ack', () => this.#acknowledge(this.#got))
    else if (dice < 0.86) await this.#act('ask', () => this.#toServer(ASK))
    else if (dice < 0.89) await this.#act('time', () => this.#rig.clock.advance(1_500))
    else if (dice < 0.92) await this.#act('fade', () => void (this.#faded = true))
    else if (dice < 0.95) await this.#act('cut', () => this.#cut())
    else if (dice < 0.985) await this.#act('resume', () => this.#resume(this.#got))
    else if (dice < 0.990) await this.#act('too-high', () => this.#tooHigh())
    else if (dice < 0.995) await this.#act('resume-too-high', () => this.#resume(this.#model.written + 1 + this.#pick(9)))
    else if (dice < 0.998) await this.#act('expire', () => this.#expire())
    else await this.#act('close', () => this.#close())
  }

  async #act(name: string, action: () => void | Promise<void>): Promise<void> {
    this.#last = name
    await action()
    await quiet()
    this.#count(name)
    if (this.#model.over) await this.#again()
  }

  #count(name: string): void {
    this.#seen[name] = (this.#seen[name] ?? 0) + 1
  }

  #pick(n: number): number {
    return Math.floor(this.#random() * n)
  }

  #fail(what: string): never {
    throw new Divergence(`seed ${this.#seed}, step ${this.#steps} (${this.#last}): ${what}`)
  }

  #expect(what: string, real: unknown, model: unknown): void {
    if (JSON.stringify(real) !== JSON.stringify(model)) this.#fail(`${what}: ${JSON.stringify(real)}, the model says ${JSON.stringify(model)}`)
  }

  #compare(): void {
    const { detached, unacked } = this.#rig.sessions.count()
    this.#expect('detached', detached, this.#model.attached ? 0 : 1)
    this.#expect('unacknowledged', unacked, this.#model.unacked)
    this.#expect('routed, each once and in order', this.#routed, Array.from({ length: this.#model.routed }, (_, i) => i + 1))
  }

  // ---- what may happen

  #deliver(n: number): void {
    for (let i = 0; i < n && !this.#model.over; i++) {
      const body = String(this.#model.accepted + 1)
      void this.#rig.session(ALICE).deliver(Stanza.of({ kind: 'message', from: BOB, to: JID }, xml('body', {}, body)))
      const fate = this.#model.accept()
      if (fate !== 'stays') this.#count(`overflow ${fate}`)
      if (fate === 'detached') this.#client = undefined
      this.#written()
    }
  }

  /** All that the session has goes to a connection that is there: memory takes everything. */
  #written(): void {
    if (this.#model.attached) this.#model.written = this.#model.accepted
  }

  #send(n: number): void {
    for (let i = 0; i < n; i++) this.#write(++this.#sent)
  }

  #write(number: number): void {
    if (!this.#passes) return
    this.#model.receive()
    this.#toServer(`<message xmlns='jabber:client' to='bob@im.test' id='${number}'/>`)
  }

  get #passes(): boolean {
    return this.#client !== undefined && !this.#faded
  }

  #toServer(text: string): void {
    if (this.#passes) this.#client?.send(text)
  }

  #handle(): void {
    const session = this.#rig.session(ALICE)
    for (let n = this.#pick(this.#pending.length + 1); n > 0; n--) {
      const [index = 0] = this.#pending.splice(this.#pick(this.#pending.length), 1)
      this.#model.handle(index)
      session.handled(index)
    }
  }

  async #read(n: number): Promise<void> {
    for (let i = 0; i < n && this.#passes && (this.#client?.waiting ?? 0) > 0; i++) {
      const element = await this.#client?.next()
      if (element !== undefined) this.#take(element)
    }
  }

  #take(element: RawElement): void {
    switch (element.name) {
      case 'message':
        this.#expect('the next stanza', bodyOf(element), String(++this.#got))
        break
      case 'r':
        if (this.#random() < 0.7) this.#acknowledge(this.#got)
        break
      case 'a': this.#told(Number(element.attrs['h'])); break
      default: this.#fail(`<${element.name}/> ${element.inside.toString()}`)
    }
  }

  /** I6: honest, and never back. */
  #told(h: number): void {
    if (h > this.#model.h) this.#fail(`h is ${h}, but only ${this.#model.h} are dealt with`)
    if (h < this.#ackedByServer) this.#fail(`h went back from ${this.#ackedByServer} to ${h}`)
    this.#ackedByServer = h
  }

  #acknowledge(h: number): void {
    if (!this.#passes) return
    this.#expect('an answer', this.#model.acknowledge(h), 'fine')
    this.#toServer(answer(h))
  }

  async #cut(): Promise<void> {
    this.#client?.cut()
    this.#client = undefined
    this.#faded = false
    await quiet()
    this.#model.cut()
  }

  async #resume(h: number): Promise<void> {
    const inPlace = this.#model.attached
    const { client } = await this.#login()
    client.send(resume(this.#id, h))
    const reply = await client.next()
    const outcome = this.#model.resume(h)
    this.#count(`${outcome}${inPlace ? ' in place' : ''}`)
    if (outcome === 'too-high') {
      this.#expect('the answer', reply.name, 'error')
      return
    }
    this.#expect('the answer', [reply.name, Number(reply.attrs['h'])], ['resumed', this.#model.h])
    this.#client = client
    this.#faded = false
    this.#told(this.#model.h)
    this.#written()
    for (let number = this.#ackedByServer + 1; number <= this.#sent; number++) this.#write(number)
  }

  #tooHigh(): void {
    if (!this.#passes) return
    const h = this.#model.written + 1 + this.#pick(5)
    this.#expect('an answer', this.#model.acknowledge(h), 'too-high')
    this.#toServer(answer(h))
    this.#model.end()
  }

  async #expire(): Promise<void> {
    const fresh = this.#model.attached
    await this.#cut()
    this.#rig.clock.advance(299_000)
    if (fresh) this.#compare()
    this.#rig.clock.advance(1_500)
    this.#model.end()
  }

  #close(): void {
    if (!this.#passes) return
    this.#client?.close()
    this.#model.end()
  }

  // ---- sessions

  /** One session is over: what it left must be what the model says; another one begins. */
  async #again(): Promise<void> {
    const left = this.#rig.handler.left.pop()?.map(({ stanza }) => stanza.elements()[0]?.text())
    const { acked, accepted } = this.#model
    this.#expect('what is left', left, Array.from({ length: accepted - acked }, (_, i) => String(acked + i + 1)))
    this.#expect('sessions', this.#rig.sessions.size, 0)
    const { client } = await this.#login()
    client.send(resume(this.#id, this.#got))
    const reply = await client.next()
    this.#expect('resuming it', [reply.name, Number(reply.attrs['h'])], ['failed', this.#model.h])
    client.cut()
    this.#client = undefined
    this.#faded = false
    await quiet()
    await this.#begin()
  }

  async #begin(): Promise<void> {
    this.#model = new SmModel({ queueMax: QUEUE_MAX, burst: BURST })
    this.#got = this.#sent = this.#ackedByServer = 0
    this.#pending = []
    this.#routed = []
    this.#rig.handler.left.length = 0
    this.#rig.lines.length = 0
    this.#rig.handler.received.length = 0
    const { client } = await this.#login()
    client.send(bindIq('r1'))
    await client.next()
    client.send(ENABLE)
    this.#id = (await client.next()).attrs['id'] ?? ''
    this.#client = client
  }

  async #login(): Promise<{ readonly client: MemoryClient }> {
    const { transport, client } = memoryPair()
    this.#rig.door(transport)
    client.open('im.test')
    client.send(plainAuth('alice'))
    for (let i = 0; i < 3; i++) await client.next()
    client.open('im.test')
    for (let i = 0; i < 2; i++) await client.next()
    return { client }
  }
}

const bodyOf = (element: RawElement): string => /<body>(\d+)/.exec(element.inside.toString())?.[1] ?? ''

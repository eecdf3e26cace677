/** slixmpp over TCP (plain, STARTTLS, direct TLS), in a Python process that speaks JSON lines. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Journal, Line, type Account, type Contact, type Door, type ResumingDriver, type Seen, type Show } from './driver.js'

const PYTHON = '/usr/bin/python3'
const SCRIPT = join(import.meta.dirname, 'slixmpp_client.py')

interface Said {
  readonly seen?: Seen
  readonly line?: 'down' | 'resumed' | 'failed'
  readonly answer?: number
  readonly value?: unknown
  readonly error?: string
}

interface Question {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

export function requireSlixmpp(): void {
  if (spawnSync(PYTHON, ['-c', 'import slixmpp']).status === 0) return
  throw new Error(`${PYTHON} has no slixmpp: ./scripts/test installs what the tests need`)
}

export class SlixmppDriver implements ResumingDriver {
  readonly journal = new Journal('slixmpp over tcp')
  readonly line = new Line()
  readonly #questions = new Map<number, Question>()
  #process: ChildProcess | undefined
  #complaints = ''
  #ids = 0

  constructor(private readonly resumes = false) {}

  async login({ ports, security, certificate, bindings }: Door, { user, domain, password }: Account): Promise<string> {
    const child = spawn(PYTHON, [SCRIPT], { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#process = child
    child.stderr.on('data', (chunk: Buffer) => { this.#complaints += chunk.toString() })
    child.stdin.on('error', () => {})
    child.once('exit', () => {
      for (const { reject } of this.#questions.values()) reject(new Error(`slixmpp ended: ${this.#complaints}`))
    })
    createInterface({ input: child.stdout }).on('line', (line) => { this.#heard(JSON.parse(line) as Said) })
    const port = security === 'direct' ? ports.c2sTls : ports.c2s
    const jid = await this.#ask('login', `${user}@${domain}`, password, '127.0.0.1', port, security, certificate, this.resumes) as string
    checkMechanism(await this.#ask('mechanism') as string, security !== 'plain' && bindings)
    this.line.up(false)
    return jid
  }

  async roster(): Promise<readonly Contact[]> {
    return await this.#ask('roster') as readonly Contact[]
  }

  async subscribe(bare: string): Promise<void> {
    await this.#ask('subscribe', bare)
  }

  async accept(bare: string): Promise<void> {
    await this.#ask('accept', bare)
  }

  async setShow(show: Show, status: string): Promise<void> {
    await this.#ask('show', show, status)
  }

  async send(to: string, body: string): Promise<void> {
    await this.#ask('send', to, body)
  }

  async changeNetworks(): Promise<void> {
    await this.#ask('change_networks')
  }

  async leave(): Promise<void> {
    await this.#ask('leave')
  }

  async end(): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null) return
    const gone = new Promise((done) => child.once('exit', done))
    child.kill('SIGKILL')
    await gone
  }

  #ask(method: string, ...words: readonly (string | number | boolean)[]): Promise<unknown> {
    const id = ++this.#ids
    return new Promise((resolve, reject) => {
      this.#questions.set(id, { resolve, reject })
      this.#process?.stdin?.write(`${JSON.stringify({ id, do: method, with: words })}\n`)
    })
  }

  #heard({ seen, line, answer = 0, value, error }: Said): void {
    if (seen !== undefined) this.journal.saw(seen)
    if (line === 'down') this.line.down()
    if (line === 'resumed') this.line.up(true)
    if (line === 'failed') this.line.failed(`the session is lost: ${this.#complaints}`)
    const question = this.#questions.get(answer)
    this.#questions.delete(answer)
    if (error === undefined) question?.resolve(value)
    else question?.reject(new Error(`${error} ${this.#complaints}`))
  }
}

/**
 * slixmpp 1.8 knows of channel bindings `tls-unique` only and says to the others that the server has none: where that is untrue
 * SCRAM fails, as it must (RFC 5802 §6), and the library goes on to PLAIN. Everywhere else it logs in with SCRAM.
 */
function checkMechanism(mechanism: string, bindings: boolean): void {
  if (bindings ? mechanism === 'PLAIN' : /^SCRAM-SHA-(?:1|256|512)$/.test(mechanism)) return
  throw new Error(`slixmpp logged in with ${mechanism}, ${bindings ? 'with' : 'without'} channel bindings offered`)
}

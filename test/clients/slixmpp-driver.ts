/** slixmpp over TCP (plain, STARTTLS, direct TLS), in a Python process that speaks JSON lines. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Journal, type Account, type Contact, type Door, type Driver, type Seen, type Show } from './driver.js'

const PYTHON = '/usr/bin/python3'
const SCRIPT = join(import.meta.dirname, 'slixmpp_client.py')

interface Line {
  readonly seen?: Seen
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

export class SlixmppDriver implements Driver {
  readonly journal = new Journal('slixmpp over tcp')
  readonly #questions = new Map<number, Question>()
  #process: ChildProcess | undefined
  #complaints = ''
  #ids = 0

  async login({ ports, security, certificate }: Door, { user, domain, password }: Account): Promise<string> {
    const child = spawn(PYTHON, [SCRIPT], { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#process = child
    child.stderr.on('data', (chunk: Buffer) => { this.#complaints += chunk.toString() })
    child.stdin.on('error', () => {})
    child.once('exit', () => {
      for (const { reject } of this.#questions.values()) reject(new Error(`slixmpp ended: ${this.#complaints}`))
    })
    createInterface({ input: child.stdout }).on('line', (line) => { this.#heard(JSON.parse(line) as Line) })
    const port = security === 'direct' ? ports.c2sTls : ports.c2s
    return await this.#ask('login', `${user}@${domain}`, password, '127.0.0.1', port, security, certificate) as string
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

  #ask(method: string, ...words: readonly (string | number)[]): Promise<unknown> {
    const id = ++this.#ids
    return new Promise((resolve, reject) => {
      this.#questions.set(id, { resolve, reject })
      this.#process?.stdin?.write(`${JSON.stringify({ id, do: method, with: words })}\n`)
    })
  }

  #heard({ seen, answer = 0, value, error }: Line): void {
    if (seen !== undefined) this.journal.saw(seen)
    const question = this.#questions.get(answer)
    this.#questions.delete(answer)
    if (error === undefined) question?.resolve(value)
    else question?.reject(new Error(`${error} ${this.#complaints}`))
  }
}

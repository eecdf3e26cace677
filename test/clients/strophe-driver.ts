/** strophe.js in headless Chromium, over WebSocket and BOSH, from a page of another origin than the node's. */
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'
import { Journal, type Account, type Contact, type Door, type Driver, type Seen, type Show } from './driver.js'

const CHROMIUM = '/usr/bin/chromium'
const ARGUMENTS = [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'
]
const FILES: Readonly<Record<string, string>> = {
  '/strophe.js': join(import.meta.dirname, '..', '..', 'node_modules', 'strophe.js', 'dist', 'strophe.umd.cjs'),
  '/page.js': join(import.meta.dirname, 'strophe-page.js')
}
const PAGE = '<!doctype html><meta charset="utf-8"><title>chat</title><script src="/strophe.js"></script><script src="/page.js"></script>'

/** One browser, and the small web server of the page. */
export class BrowserDesk {
  private constructor(readonly browser: Browser, readonly server: Server) {}

  static async open(): Promise<BrowserDesk> {
    if (!existsSync(CHROMIUM)) throw new Error(`${CHROMIUM} is missing: ./scripts/test installs what the tests need`)
    const server = createServer((request, response) => {
      const file = FILES[request.url ?? '']
      response.setHeader('content-type', file === undefined ? 'text/html' : 'text/javascript')
      response.end(file === undefined ? PAGE : readFileSync(file))
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    return new BrowserDesk(await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS }), server)
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`
  }

  async close(): Promise<void> {
    await this.browser.close()
    this.server.closeAllConnections()
    await new Promise((done) => this.server.close(done))
  }
}

export class StropheDriver implements Driver {
  readonly journal: Journal
  #page: Page | undefined

  constructor(readonly over: 'websocket' | 'bosh', private readonly desk: () => BrowserDesk) {
    this.journal = new Journal(`strophe.js over ${over}`)
  }

  async login({ ports, security }: Door, { user, domain, password }: Account): Promise<string> {
    const desk = this.desk()
    const page = await desk.browser.newPage({ ignoreHTTPSErrors: true })
    this.#page = page
    await page.exposeFunction('saw', (seen: Seen) => { this.journal.saw(seen) })
    await page.goto(desk.url)
    const [s, port] = security === 'plain' ? ['', ports.http] : ['s', ports.https]
    const service = this.over === 'websocket' ? `ws${s}://localhost:${port}/xmpp-websocket` : `http${s}://localhost:${port}/http-bind`
    return await this.#call('login', service, `${user}@${domain}`, password) as string
  }

  async roster(): Promise<readonly Contact[]> {
    return await this.#call('roster') as readonly Contact[]
  }

  async subscribe(bare: string): Promise<void> {
    await this.#call('presenceTo', bare, 'subscribe')
  }

  async accept(bare: string): Promise<void> {
    await this.#call('presenceTo', bare, 'subscribed')
  }

  async setShow(show: Show, status: string): Promise<void> {
    await this.#call('setShow', show, status)
  }

  async send(to: string, body: string): Promise<void> {
    await this.#call('send', to, body)
  }

  async leave(): Promise<void> {
    await this.#call('leave')
  }

  async end(): Promise<void> {
    await this.#page?.close()
  }

  async #call(method: string, ...words: readonly string[]): Promise<unknown> {
    if (this.#page === undefined) throw new Error('not logged in')
    return this.#page.evaluate(`person[${JSON.stringify(method)}](...${JSON.stringify(words)})`)
  }
}

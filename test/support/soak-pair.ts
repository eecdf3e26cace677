/** Two people on two nodes who are each other's contact and number what they say; owns what each has heard. */
import type { TestClient } from './client.js'
import { befriend, type Cluster } from './cluster.js'
import { until } from './until.js'

export interface Tally {
  sent: number
  readonly latenciesMs: number[]
  readonly faults: string[]
}

/** Latencies that are kept: enough for a p99, little enough for the memory of the test. */
const LATENCIES_MAX = 500_000

interface Person {
  readonly user: string
  client: TestClient | undefined
  /** Numbers said to this person, heard by it. */
  said: number
  heard: number
  readonly sentAt: Map<number, number>
}

export class SoakPair {
  readonly #people: readonly [Person, Person]
  #changing = false

  constructor(private readonly cluster: Cluster, users: readonly [string, string], private readonly tally: Tally) {
    const person = (user: string): Person => ({ user, client: undefined, said: 0, heard: 0, sentAt: new Map() })
    this.#people = [person(users[0]), person(users[1])]
  }

  async start(): Promise<void> {
    const [a, b] = this.#people
    const clients = await Promise.all([this.#login(a, 0), this.#login(b, 1)])
    await befriend(...clients)
    for (const person of this.#people) this.#listen(person)
  }

  /** One numbered message each way, unless somebody is just changing. */
  talk(): void {
    if (this.#changing) return
    const [a, b] = this.#people
    this.#say(a, b)
    this.#say(b, a)
  }

  get quiet(): boolean {
    return !this.#changing && this.#people.every((person) => person.heard === person.said)
  }

  missing(): string[] {
    return this.#people.flatMap(({ user, said, heard }) => (said === heard ? [] : [`${user} heard ${heard} of ${said}`]))
  }

  /** What is on its way arrives first; then a change of presence, or one leaves and comes back, to the other node at times. */
  async churn(turn: number): Promise<void> {
    if (this.#changing) return
    this.#changing = true
    try {
      const [a, b] = turn % 2 === 0 ? this.#people : [this.#people[1], this.#people[0]]
      await this.#arrived()
      if (turn % 3 === 0) await this.#mood(a, b)
      else await this.#relogin(a, b, turn)
    } catch (error) {
      this.tally.faults.push(`${this.#people[0].user}: ${String(error)}`)
    }
    this.#changing = false
  }

  async #arrived(): Promise<void> {
    await until('both have heard all', () => this.#people.every((person) => person.heard === person.said), 10_000)
  }

  async #mood(who: Person, other: Person): Promise<void> {
    const { client } = who
    if (client === undefined || other.client === undefined) return
    const status = client.newId()
    client.write(`<presence><show>away</show><status>${status}</status></presence>`)
    await other.client.next((e) => e.is('presence') && e.getChildText('status') === status)
    this.#forgetPresence()
  }

  async #relogin(who: Person, other: Person, turn: number): Promise<void> {
    const former = who.client
    if (former === undefined || other.client === undefined) return
    if (turn % 5 === 0) former.cut()
    else await former.close()
    await other.client.presence(former.jid, 'unavailable')
    const node = this.#people.indexOf(who) ^ (turn % 7 === 0 ? 1 : 0)
    const client = await this.#login(who, node)
    await other.client.presence(client.jid)
    await client.presence(other.client.jid)
    this.#listen(who)
    this.#forgetPresence()
  }

  async #login(person: Person, node: number): Promise<TestClient> {
    const client = await this.cluster.login(node, person.user)
    person.client = client
    return client
  }

  /** From here on numbered messages are judged as they come; the rest stays in the inbox. */
  #listen(person: Person): void {
    const { client } = person
    if (client === undefined) return
    const { inbox } = client
    inbox.push = (...elements) => {
      for (const element of elements) {
        if (element.is('message')) this.#heard(person, element.getChildText('body'), String(element.attrs['type']))
        else Array.prototype.push.call(inbox, element)
      }
      return inbox.length
    }
  }

  #heard(person: Person, body: string | null | undefined, type: string): void {
    const number = Number(body)
    if (type === 'error' || number !== person.heard + 1) {
      this.tally.faults.push(`${person.user} heard ${String(body)} (${type}) after ${person.heard}`)
      if (!(number > person.heard)) return
    }
    person.heard = number
    const sentAt = person.sentAt.get(number)
    person.sentAt.delete(number)
    if (sentAt !== undefined && this.tally.latenciesMs.length < LATENCIES_MAX) this.tally.latenciesMs.push(performance.now() - sentAt)
  }

  #say(from: Person, to: Person): void {
    const number = ++to.said
    to.sentAt.set(number, performance.now())
    this.tally.sent++
    from.client?.write(`<message to='${to.client?.jid ?? ''}' type='chat' id='n${number}'><body>${number}</body></message>`)
  }

  #forgetPresence(): void {
    for (const { client } of this.#people) client?.inbox.splice(0)
  }
}

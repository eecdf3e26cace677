/**
 * All metrics of one server, each made once and handed to the rooms that count. Counting adds to a number; prom-client
 * is asked only when somebody reads `/metrics`. Owns the registry (never the library's global one).
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import {
  CONNECTION_REFUSED, LINK_REFUSED, NODE_CHANGE, RESUME_OUTCOME, STREAM_CLOSED,
  type ConnectionRefusedReason, type LinkRefusedReason, type NodeChangeReason, type ResumeOutcome, type StreamClosedReason
} from './reasons.js'

/** A counter with one label out of a closed set; `add` costs an addition. */
export interface Tally<L extends string> {
  add(label: L, count?: number): void
  get(label: L): number
}

/** A number that goes up and down, asked for when metrics are read. */
export interface Reading {
  /** Replaces the source; the last one counts. */
  from(read: () => number): void
}

/** Numbers by one label, which comes from a closed set such as the served domains. */
export interface Readings {
  from(read: () => ReadonlyMap<string, number>): void
}

export interface Timing {
  /** Seconds. */
  observe(seconds: number): void
}

export const STANZA_KINDS = ['message', 'presence', 'iq'] as const
export const TRANSPORT_KINDS = ['tcp', 'websocket', 'bosh', 'memory'] as const
export const LANES = ['route', 'answer', 'control', 'repl', 'none'] as const
export const ANSWERS = ['accept', 'none', 'reject'] as const
export type StanzaKind = (typeof STANZA_KINDS)[number]
export type TransportLabel = (typeof TRANSPORT_KINDS)[number]
export type Lane = (typeof LANES)[number]
export type AnswerKind = (typeof ANSWERS)[number]

/** Fields that the hot path counts up; read when metrics are. */
export type ContentCounts = Record<'copied' | 'rewritten' | 'tree', number>

export interface Metrics {
  readonly stanzasIn: Tally<StanzaKind>
  readonly stanzasOut: Tally<StanzaKind>
  /** What is inside stanzas of clients: `copied` or `rewritten` when they come in, `tree` for each that is built of one. */
  readonly contents: ContentCounts
  readonly streamsOpened: Tally<TransportLabel>
  readonly streamsClosed: Tally<StreamClosedReason>
  readonly connectionsRefused: Tally<ConnectionRefusedReason>
  readonly nodeChanges: Tally<NodeChangeReason>
  readonly linksRefused: Tally<LinkRefusedReason>
  /** `none`: frames outside the lanes, such as PING and ACK. */
  readonly framesIn: Tally<Lane>
  readonly framesOut: Tally<Lane>
  readonly linkBytesIn: Tally<Lane>
  readonly linkBytesOut: Tally<Lane>
  readonly answers: Tally<AnswerKind>
  readonly linksReady: Reading
  readonly nodes: Reading
  readonly sessions: Reading
  readonly logDropped: Reading
  readonly certificateDays: Readings
  readonly overload: Readings
  /** Of these, without a connection; and stanzas that clients have not acknowledged. */
  readonly detached: Reading
  readonly unacked: Reading
  readonly resumes: Tally<ResumeOutcome>
  /** From asking another node to its answer. */
  readonly answerSeconds: Timing
  /** In the text format of Prometheus. */
  text(): Promise<string>
  stop(): void
}

/** The delay is sampled so often; finer costs more than it shows. */
const LOOP_SAMPLE_MS = 20
const ANSWER_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

type Named = readonly [name: string, help: string]

class Meters {
  readonly registry = new Registry()

  /** `help` may be left out by the second one of a name. */
  tally<const L extends string>([name, help]: Named, label: string, values: readonly L[], fixed: Record<string, string> = {}): Tally<L> {
    const counts = new Map<L, number>(values.map((value) => [value, 0]))
    const write = (counter: Counter): void => {
      for (const [value, count] of counts) counter.inc({ ...fixed, [label]: value }, count)
    }
    this.#collected(name, help, [label, ...Object.keys(fixed)], write)
    return {
      add: (value, count = 1) => void counts.set(value, (counts.get(value) ?? 0) + count),
      get: (value) => counts.get(value) ?? 0
    }
  }

  /** One counter for the fields of an object. */
  fields<L extends string>([name, help]: Named, label: string, fields: Record<L, number>): Record<L, number> {
    this.#collected(name, help, [label], (counter) => {
      for (const [value, count] of Object.entries<number>(fields)) counter.inc({ [label]: value }, count)
    })
    return fields
  }

  reading(name: string, help: string): Reading {
    let read = (): number => 0
    this.gauge(name, help, () => read())
    return { from: (source) => void (read = source) }
  }

  readings(name: string, help: string, label: string): Readings {
    let read = (): ReadonlyMap<string, number> => new Map()
    new Gauge({
      name, help, labelNames: [label], registers: [this.registry],
      collect() {
        this.reset()
        for (const [value, number] of read()) this.set({ [label]: value }, number)
      }
    })
    return { from: (source) => void (read = source) }
  }

  gauge(name: string, help: string, read: () => number): void {
    new Gauge({ name, help, registers: [this.registry], collect() { this.set(read()) } })
  }

  counted(name: string, help: string): Reading {
    let read = (): number => 0
    this.counter(name, help, () => read())
    return { from: (source) => void (read = source) }
  }

  counter(name: string, help: string, read: () => number): void {
    new Counter({
      name, help, registers: [this.registry],
      collect() {
        this.reset()
        this.inc(read())
      }
    })
  }

  /** Several tallies may share one counter, told apart by fixed labels. */
  readonly #writers = new Map<string, ((counter: Counter) => void)[]>()
  #collected(name: string, help: string, labelNames: readonly string[], write: (counter: Counter) => void): void {
    const shared = this.#writers.get(name)
    if (shared !== undefined) {
      shared.push(write)
      return
    }
    const writers = [write]
    this.#writers.set(name, writers)
    new Counter({
      name, help, labelNames, registers: [this.registry],
      collect() {
        this.reset()
        for (const one of writers) one(this)
      }
    })
  }
}

function processMetrics(meters: Meters): void {
  meters.counter('process_cpu_seconds_total', 'CPU time of this process', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  const startedAt = Date.now() / 1000 - process.uptime()
  meters.gauge('process_start_time_seconds', 'Start of this process, seconds since 1970', () => startedAt)
  meters.gauge('process_resident_memory_bytes', 'Memory of this process', () => process.memoryUsage.rss())
  meters.gauge('nodejs_heap_used_bytes', 'Heap in use', () => process.memoryUsage().heapUsed)
  meters.gauge('nodejs_external_memory_bytes', 'Buffers outside the heap', () => process.memoryUsage().external)
  meters.gauge('nodejs_active_resources', 'Open handles and requests', () => process.getActiveResourcesInfo().length)
}

export function createMetrics(): Metrics {
  const meters = new Meters()
  const delay = monitorEventLoopDelay({ resolution: LOOP_SAMPLE_MS })
  delay.enable()
  const p99 = (): number => Math.max(0, delay.percentile(99) / 1e6 - LOOP_SAMPLE_MS)
  meters.gauge('starling_event_loop_delay_p99_seconds', 'Lateness of the event loop since the last reading', () => p99() / 1000)
  processMetrics(meters)
  const timing = new Histogram({
    name: 'starling_cluster_answer_seconds', help: 'From asking another node to its answer',
    buckets: ANSWER_BUCKETS, registers: [meters.registry]
  })
  return {
    ...stanzaMetrics(meters),
    ...clusterMetrics(meters),
    logDropped: meters.counted('starling_log_lines_dropped_total', 'Log lines that the standard output did not take in time'),
    answerSeconds: timing,
    async text() {
      const text = await meters.registry.metrics()
      delay.reset()
      return text
    },
    stop: () => void delay.disable()
  }
}

const [IN, OUT] = [{ direction: 'in' }, { direction: 'out' }]

type ClientPart = 'stanzasIn' | 'stanzasOut' | 'contents' | 'streamsOpened' | 'streamsClosed' | 'connectionsRefused' | 'sessions'
  | 'detached' | 'unacked' | 'resumes' | 'certificateDays' | 'overload'

function stanzaMetrics(m: Meters): Pick<Metrics, ClientPart> {
  return {
    stanzasIn: m.tally(['starling_stanzas_total', 'Stanzas from and to clients'], 'kind', STANZA_KINDS, IN),
    stanzasOut: m.tally(['starling_stanzas_total', ''], 'kind', STANZA_KINDS, OUT),
    contents: m.fields(['starling_stanza_contents_total', 'Contents of stanzas of clients by what was done to read them'], 'path',
      { copied: 0, rewritten: 0, tree: 0 }),
    streamsOpened: m.tally(['starling_streams_opened_total', 'Streams of clients'], 'transport', TRANSPORT_KINDS),
    streamsClosed: m.tally(['starling_streams_closed_total', 'Ends of streams'], 'reason', STREAM_CLOSED),
    connectionsRefused: m.tally(['starling_connections_refused_total', 'Connections refused'], 'reason', CONNECTION_REFUSED),
    sessions: m.reading('starling_sessions', 'Bound devices on this node'),
    certificateDays: m.readings('starling_tls_cert_remaining_days', 'Whole days until a domain\'s certificate ends', 'domain'),
    overload: m.readings('starling_overload', 'Is 1 while no new connections are taken because of it', 'why'),
    detached: m.reading('starling_sessions_detached', 'Devices that wait for their client to come back'),
    unacked: m.reading('starling_stanzas_unacked', 'Stanzas that clients have not acknowledged'),
    resumes: m.tally(['starling_resumes_total', 'Tries to resume a session'], 'outcome', RESUME_OUTCOME)
  }
}

type ClusterPart = 'nodeChanges' | 'linksRefused' | 'framesIn' | 'framesOut' | 'linkBytesIn' | 'linkBytesOut' | 'answers'
  | 'linksReady' | 'nodes'

function clusterMetrics(m: Meters): Pick<Metrics, ClusterPart> {
  return {
    nodeChanges: m.tally(['starling_cluster_node_changes_total', 'Nodes that came and went'], 'reason', NODE_CHANGE),
    linksRefused: m.tally(['starling_cluster_links_refused_total', 'Links refused'], 'reason', LINK_REFUSED),
    framesIn: m.tally(['starling_cluster_frames_total', 'Frames on links'], 'lane', LANES, IN),
    framesOut: m.tally(['starling_cluster_frames_total', ''], 'lane', LANES, OUT),
    linkBytesIn: m.tally(['starling_cluster_bytes_total', 'Bytes of frames on links'], 'lane', LANES, IN),
    linkBytesOut: m.tally(['starling_cluster_bytes_total', ''], 'lane', LANES, OUT),
    answers: m.tally(['starling_cluster_answers_total', 'Answers of other nodes'], 'answer', ANSWERS),
    linksReady: m.reading('starling_cluster_links_ready', 'Links that are ready'),
    nodes: m.reading('starling_cluster_nodes', 'Live nodes of the view, this one included')
  }
}

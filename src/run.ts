/**
 * `starling run` and `starling demo` as processes: settings, signals, how they end. The server itself is `server.ts`.
 */
import { readFileSync } from 'node:fs'
import type { RunMode } from './admin/cli.js'
import { Demo, type DemoOptions } from './admin/demo.js'
import { openDemoStore } from './admin/demo-store.js'
import { EXIT } from './admin/exit-codes.js'
import { knownPlugins, optionsOf, pipelineOf } from './chosen-plugins.js'
import { complaintText } from './config/fault.js'
import { debugRooms } from './config/server-options.js'
import { settingsOf, type ServerSettings } from './groups.js'
import { explain } from './pipeline/explain.js'
import { Server } from './server.js'
import { createLogs, type Logs } from './telemetry/pino-log.js'
import { Networks } from './transport/networks.js'
import { workerSelf, workerSettings, type WorkerSelf } from './worker.js'
import { Workers } from './workers.js'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

/** @returns the exit code */
export async function runServer(argv: readonly string[], mode: RunMode): Promise<number> {
  const found = await knownPlugins()
  const worker = workerSelf()
  const settings = workerSettings(settingsOf(argv, optionsOf(found)), worker?.number ?? 1)
  if (mode.explain) process.stdout.write(`${explain(pipelineOf(found, settings))}\n`)
  if (mode.check) {
    for (const warning of settings.warnings) process.stdout.write(`${complaintText(warning)}\n`)
    pipelineOf(found, settings)
    process.stdout.write('the configuration is good\n')
  }
  if (mode.check || mode.explain) return EXIT.ok
  const logs = logsOf(settings, worker)
  const { workers } = settings.values.server
  const warnings = worker === undefined ? settings.warnings : []
  for (const warning of warnings) logs.room('config').warn({ warning: complaintText(warning) }, 'config.warning')
  try {
    if (worker === undefined && workers > 1) return await new Workers(workers, logs.room('server')).run()
    return await serve(new Server({ settings, found, logs, version, worker }), logs, worker)
  } finally {
    logs.stop()
    worker?.leave()
  }
}

async function serve(server: Server, logs: Logs, worker: WorkerSelf | undefined): Promise<number> {
  const signal = Promise.race([firstSignal(), ...worker === undefined ? [] : [worker.released]])
  process.on('unhandledRejection', (reason) => {
    // A fault of the program: said once, loudly; the process lives and its clients stay.
    logs.room('server').error({ error: reason instanceof Error ? reason.stack : String(reason) }, 'process.unhandled-rejection')
  })
  // Sent before the node is there it must not end it, as it would by itself
  process.on('SIGHUP', () => { void server.reload() })
  const failed = await Promise.race([server.start(), signal.then(() => undefined)])
    .then(() => Promise.race([signal.then(() => undefined), server.over]))
  // A worker may be told by its parent and by the same signal as its parent: that is once
  const again = (): void => { if (worker === undefined) process.exit(EXIT.failed) }
  process.on('SIGINT', again).on('SIGTERM', again)
  await server.stop()
  if (failed !== undefined) throw failed
  return EXIT.ok
}

/** The second one ends the process at once. */
function firstSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => { resolve() })
  })
}

function logsOf({ values }: ServerSettings, worker: WorkerSelf | undefined): Logs {
  const exempt = Networks.of(values.addressLimits.exempt)
  return createLogs({
    level: values.server.logLevel, debugRooms: debugRooms(values.server.debug), format: values.server.logFormat,
    exempt: (ip) => exempt.has(ip), ...worker !== undefined && { base: { worker: worker.number } }
  })
}

/** @returns the exit code */
export async function runDemo(options: DemoOptions): Promise<number> {
  const demo = new Demo(options, openDemoStore(), (line) => void process.stdout.write(`${line}\n`))
  const stopped = firstSignal()
  const watching = demo.start().then(() => demo.watch())
  await Promise.race([watching, stopped])
  await demo.stop()
  return EXIT.ok
}

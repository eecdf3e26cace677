#!/usr/bin/env node
/** Arguments in, exit code out. Each command loads what it needs when it runs. */
import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runCli, type Actions } from './admin/cli.js'
import type { CommandSettings } from './admin/store-commands.js'

// Else V8 learns that arrays of what waits for an answer live long and makes them among the old; there each one keeps alive what it
// has pointed to, though all of it is over in milliseconds, until everything is collected (docs/decisions/0012-fast-paths.md).
setFlagsFromString('--no-allocation-site-pretenuring')

const commands = (): Promise<typeof import('./admin/store-commands.js')> => import('./admin/store-commands.js')

const settingsFor = async (argv: readonly string[]): Promise<CommandSettings> =>
  (await import('./command-settings.js')).commandSettings(argv)

const actions: Actions = {
  run: async (settings, mode) => (await import('./run.js')).runServer(settings, mode),
  demo: async (options) => (await import('./run.js')).runDemo(options),
  check: async (settings) => (await commands()).checkCommand(await (await import('./command-settings.js')).checkSettings(settings)),
  reload: async (settings) => (await commands()).reloadCommand(await settingsFor(settings)),
  user: async (action, words, settings) => (await commands()).userCommand(await settingsFor(settings), action, words),
  clusterNodes: async (json, settings) => (await commands()).nodesCommand(await settingsFor(settings), json),
  clusterTest: async (domain, settings) => (await commands()).testCommand(await settingsFor(settings), domain),
  clusterFence: async (name, incarnation, settings) => (await commands()).fenceCommand(await settingsFor(settings), name, incarnation)
}

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

process.exitCode = await runCli(process.argv.slice(2), version, actions, {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text)
})

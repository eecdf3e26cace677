/**
 * The command line: what `starling` understands, and what it ends with. Everything it does is passed in, so that each
 * command loads only what it needs.
 */
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import type { DemoOptions } from './demo.js'
import { errorText, EXIT, exitCodeOf } from './exit-codes.js'

export interface RunMode {
  /** Validate, say what is wrong, end. */
  readonly check: boolean
  /** Print the compiled pipeline, end. */
  readonly explain: boolean
}

/** `settings` are `--option=value` words; each action returns the exit code. */
export interface Actions {
  run(settings: readonly string[], mode: RunMode): Promise<number>
  demo(options: DemoOptions): Promise<number>
  /** Checks everything around a start, and what runs. */
  check(settings: readonly string[]): Promise<number>
  reload(settings: readonly string[]): Promise<number>
  user(action: UserAction, words: readonly string[], settings: readonly string[]): Promise<number>
  clusterNodes(json: boolean, settings: readonly string[]): Promise<number>
  clusterTest(domain: string | undefined, settings: readonly string[]): Promise<number>
  clusterFence(name: string, incarnation: number, settings: readonly string[]): Promise<number>
}

export type UserAction = 'add' | 'passwd' | 'disable' | 'enable' | 'delete' | 'list'

export interface Terminal {
  out(text: string): void
  err(text: string): void
}

/** Words of a command that commander does not know: settings have dashes or a component's path, the others are operands. */
export function splitWords(words: readonly string[]): { readonly operands: readonly string[]; readonly settings: readonly string[] } {
  const operands: string[] = []
  const settings: string[] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    if (word === '--property-file' && words[i + 1] !== undefined) settings.push(`${word}=${words[++i] ?? ''}`)
    else if (word.startsWith('--') || word.startsWith('config-type=')) settings.push(word)
    else operands.push(word)
  }
  return { operands, settings }
}

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN
    if (value >= min && value <= max) return value
    throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`)
  }
}

type Done = (code: Promise<number>) => Promise<void>

const SETTINGS_HELP = 'More --option=value words are settings as in init.properties; they win over the files.'

function addRun(program: Command, actions: Actions, done: Done): void {
  program.command('run').description('run one node').allowUnknownOption().argument('[settings...]', SETTINGS_HELP)
    .option('--check', 'validate the configuration and exit')
    .option('--explain', 'print the compiled pipeline and exit')
    .action((words: string[], { check = false, explain = false }: Partial<RunMode>, command: Command) => {
      const { operands, settings } = splitWords(words)
      const lines = operands.filter((word) => /^[\w-]+\/[^=]+=/.test(word))
      const odd = operands.find((word) => !lines.includes(word))
      if (odd !== undefined) command.error(`error: '${odd}' is not an --option=value`)
      return done(actions.run([...settings, ...lines], { check, explain }))
    })
}

function addUpkeep(program: Command, actions: Actions, done: Done): void {
  const command = (name: 'check' | 'reload', what: string): void => {
    program.command(name).description(what).allowUnknownOption().argument('[settings...]', SETTINGS_HELP)
      .action((words: string[], _flags: unknown, one: Command) => {
        const { operands, settings } = splitWords(words)
        if (operands.length > 0) one.error(`error: '${operands[0] ?? ''}' is not an --option=value`)
        return done(actions[name](settings))
      })
  }
  command('check', 'look at configuration, certificates, ports, database, DNS and the running cluster; say what to do')
  command('reload', 'have all nodes read their certificates again')
}

interface DemoFlags {
  readonly nodes: number
  readonly dir: string
  readonly basePort?: number
  readonly strategy: string
  readonly json?: true
}

function addDemo(program: Command, actions: Actions, done: Done): void {
  program.command('demo').description('run a small cluster on this machine to try things').allowUnknownOption()
    .argument('[settings...]', SETTINGS_HELP)
    .option('--nodes <n>', 'nodes', whole(1, 20), 2)
    .option('--dir <dir>', 'where the database, logs and files of the nodes are kept', './data/demo')
    .option('--base-port <port>', 'first port; free ones when not given', whole(1, 65_000))
    .option('--strategy <name>', 'cluster strategy', 'broadcast')
    .option('--json', 'one line of JSON for each node')
    .action((words: string[], { nodes, dir, basePort, strategy, json }: DemoFlags, command: Command) => {
      const { operands, settings } = splitWords(words)
      if (operands.length > 0) command.error(`error: '${operands[0] ?? ''}' is not an --option=value`)
      return done(actions.demo({ nodes, dir, basePort, strategy, json: json === true, extra: settings }))
    })
}

const USER_ACTIONS: Readonly<Record<UserAction, readonly [usage: string, what: string, min: number, max: number]>> = {
  add: ['JID [PASSWORD]', 'make an account', 1, 2],
  passwd: ['JID [PASSWORD]', 'set a new password; the sessions end', 1, 2],
  disable: ['JID', 'refuse logins of an account that keeps its data; its sessions end', 1, 1],
  enable: ['JID', 'let a disabled account log in again', 1, 1],
  delete: ['JID', 'delete an account with all its data; its sessions end', 1, 1],
  list: ['[DOMAIN]', 'list accounts', 0, 1]
}

function addUser(program: Command, actions: Actions, done: Done): void {
  const user = program.command('user').description('accounts in the database of --property-file, while nodes run or not')
  for (const [action, [usage, what, min, max]] of Object.entries(USER_ACTIONS) as [UserAction, (typeof USER_ACTIONS)[UserAction]][]) {
    user.command(action).description(what).usage(`${usage} [--option=value ...]`).allowUnknownOption().argument('[words...]')
      .action((words: string[], _flags: unknown, command: Command) => {
        const { operands, settings } = splitWords(words)
        if (operands.length < min || operands.length > max) command.error(`error: usage: starling user ${action} ${usage}`)
        return done(actions.user(action, operands, settings))
      })
  }
}

function addCluster(program: Command, actions: Actions, done: Done): void {
  const cluster = program.command('cluster').description('the cluster as its database knows it')
  cluster.command('nodes').description('show the members').allowUnknownOption().argument('[settings...]')
    .option('--json', 'as JSON')
    .action((words: string[], { json }: { json?: true }) => done(actions.clusterNodes(json === true, splitWords(words).settings)))
  cluster.command('test').description('log in at every node and send messages between all of them').allowUnknownOption()
    .argument('[words...]').usage('[DOMAIN] [--option=value ...]')
    .action((words: string[]) => {
      const { operands, settings } = splitWords(words)
      return done(actions.clusterTest(operands[0], settings))
    })
  cluster.command('fence').description('declare one life of a node dead, when its process is known to be gone').allowUnknownOption()
    .argument('<name>').argument('<incarnation>', '', whole(1, Number.MAX_SAFE_INTEGER)).argument('[settings...]')
    .action((name: string, incarnation: number, words: string[]) =>
      done(actions.clusterFence(name, incarnation, splitWords(words).settings)))
}

/** Runs one command line; resolves with the exit code, never rejects. */
export async function runCli(argv: readonly string[], version: string, actions: Actions, terminal: Terminal): Promise<number> {
  let code: number = EXIT.ok
  const done: Done = async (running) => {
    code = await running
  }
  const program = new Command('starling').description('An XMPP server for people who run more than one node.').version(version)
    .exitOverride().configureOutput({ writeOut: (text) => terminal.out(text), writeErr: (text) => terminal.err(text) })
    .showHelpAfterError('(starling --help shows what there is)')
  for (const add of [addRun, addUpkeep, addDemo, addUser, addCluster]) add(program, actions, done)
  for (const command of commandsBelow(program)) command.exitOverride().copyInheritedSettings(program)
  try {
    await program.parseAsync(argv, { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    terminal.err(`${errorText(error)}\n`)
    return exitCodeOf(error)
  }
}

const commandsBelow = (command: Command): readonly Command[] => command.commands.flatMap((one) => [one, ...commandsBelow(one)])

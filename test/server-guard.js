/**
 * Runs one test server as its child and ends with it. Started apart from the tests; when the process that it watches
 * is gone, however that ended, the server is killed and the directory `remove` with it.
 * Argument: JSON { watch, directory, remove, command, args, uid, gid }. Prints the server's pid.
 */
import { spawn } from 'node:child_process'
import { setInterval } from 'node:timers'
import { openSync, rmSync } from 'node:fs'

const { watch, directory, remove, command, args, uid, gid } = JSON.parse(process.argv[2])
const log = openSync(`${directory}/server.log`, 'a')
const server = spawn(command, args, { cwd: directory, stdio: ['ignore', log, log], uid, gid })

function watcherIsGone() {
  try {
    process.kill(watch, 0)
    return false
  } catch {
    return true
  }
}

server.on('error', (error) => {
  process.stdout.write(`failed ${error.message}\n`)
  process.exit(1)
})
server.on('spawn', () => process.stdout.write(`${server.pid}\n`))
server.on('exit', () => {
  if (watcherIsGone()) rmSync(remove, { recursive: true, force: true })
  process.exit(0)
})
setInterval(() => {
  // A stopped process takes SIGKILL too. PostgreSQL's children end when their parent is gone.
  if (watcherIsGone()) server.kill('SIGKILL')
}, 300)
// Ctrl-C goes to the whole group of a terminal; the watched process decides.
process.on('SIGINT', () => {})

/** Asks for a password: unseen at a terminal, else the first line of the standard input. */
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { CommandError, EXIT } from './exit-codes.js'

export async function readPassword(): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write('Password: ')
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => { done() } })
  const reader = createInterface({ input: process.stdin, output: nowhere, terminal: process.stdin.isTTY })
  try {
    for await (const line of reader) return line
    throw new CommandError('a password must follow, as an argument or on the standard input', EXIT.usage)
  } finally {
    reader.close()
    if (process.stdin.isTTY) process.stderr.write('\n')
  }
}

/** `starling check`: files with secrets in them are for their owner only. */
import { readFileSync, statSync } from 'node:fs'
import { findings, type Finding } from './finding.js'

const { ok, warn } = findings('secrets')
const SECRET = /^[^#\n]*(?:passw|secret|:\/\/[^/\s:@]+:[^@\s]+@)/im

/** @param files of the configuration, which matter where they hold a secret; @param secrets files that are nothing else */
export function checkSecrets(files: readonly string[], secrets: readonly string[]): readonly Finding[] {
  const closed: string[] = []
  const open: string[] = []
  for (const file of [...files.filter((one) => SECRET.test(readFileSync(one, 'utf8'))), ...secrets]) {
    if ((statSync(file).mode & 0o077) === 0) closed.push(file)
    else open.push(file)
  }
  return [
    ...open.map((file) => warn(`other users of this machine can read ${file}, which holds secrets: chmod 600`)),
    ...closed.length > 0 ? [ok(`only their owner reads ${closed.join(', ')}`)] : []
  ]
}

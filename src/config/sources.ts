/**
 * Where settings come from: the files of `--property-file` (or STARLING_PROPERTY_FILE, or the usual places), then the
 * command line. Yields assignments in the order of their strength, the last one wins.
 */
import { COMMAND_LINE, type Complaint } from './fault.js'
import { decodeProperties, readProperties, type Entry } from './properties.js'

/** Throws what `node:fs` throws. */
export type ReadFile = (path: string) => Uint8Array

export interface Sources {
  readonly files: readonly string[]
  readonly entries: readonly Entry[]
  readonly faults: readonly Complaint[]
}

const USUAL_FILES = ['etc/init.properties', 'init.properties']
const FILE_VARIABLE = 'STARLING_PROPERTY_FILE'

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file', EACCES: 'no permission to read it', EISDIR: 'it is a directory', ENOTDIR: 'a part of the path is not a directory'
}

export function readReason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return REASONS[code] ?? (error instanceof Error ? error.message : String(error))
}

function argument(word: string): Entry | Complaint {
  const at = word.indexOf('=')
  if (at > 0) return { origin: COMMAND_LINE, key: word.slice(0, at), value: word.slice(at + 1).trim() }
  return { origin: COMMAND_LINE, key: '', problem: `${word}: write ${word.startsWith('--') ? word : '--option'}=value` }
}

const splitFiles = (text: string): readonly string[] => text.split(',').map((part) => part.trim()).filter((part) => part !== '')

interface Found {
  readonly files: readonly { readonly path: string; readonly bytes: Uint8Array }[]
  readonly faults: readonly Complaint[]
}

function readNamed(paths: readonly string[], readFile: ReadFile): Found {
  const files: { path: string; bytes: Uint8Array }[] = []
  const faults: Complaint[] = []
  for (const path of paths) {
    try {
      files.push({ path, bytes: readFile(path) })
    } catch (error) {
      faults.push({ origin: { file: '', line: 0 }, key: '', problem: `cannot read ${path}: ${readReason(error)}` })
    }
  }
  return { files, faults }
}

/** One of the usual files; none at all is a fault only when the command line sets nothing either. */
function readUsual(needed: boolean, readFile: ReadFile): Found {
  for (const path of USUAL_FILES) {
    try {
      return { files: [{ path, bytes: readFile(path) }], faults: [] }
    } catch (error) {
      if (readReason(error) !== REASONS['ENOENT']) return readNamed([path], readFile)
    }
  }
  if (!needed) return { files: [], faults: [] }
  const problem = `cannot read ${USUAL_FILES.join(' or ')}: ${REASONS['ENOENT'] ?? ''}; `
    + 'name one with --property-file or give options as --option=value'
  return { files: [], faults: [{ origin: { file: '', line: 0 }, key: '', problem }] }
}

export interface SourcesInput {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly readFile: ReadFile
}

export function readSources({ argv, env, readFile }: SourcesInput): Sources {
  const words = argv.map(argument)
  const entries = words.filter((word) => 'value' in word)
  const named = entries.findLast((entry) => entry.key === '--property-file')?.value ?? env[FILE_VARIABLE] ?? ''
  const rest = entries.filter((entry) => entry.key !== '--property-file')
  const paths = splitFiles(named)
  const { files, faults } = paths.length > 0 ? readNamed(paths, readFile) : readUsual(words.length === 0, readFile)
  const texts = files.map(({ path, bytes }) => readProperties(path, decodeProperties(bytes)))
  return {
    files: files.map(({ path }) => path),
    entries: [...texts.flatMap((text) => text.entries), ...rest],
    faults: [...faults, ...texts.flatMap((text) => text.faults), ...words.filter((word) => 'problem' in word)]
  }
}


/**
 * Complaints about the configuration: where, which key, what was given, what is allowed. All of a run are collected and
 * thrown together as one `ConfigError`, which `main.ts` turns into exit code 78.
 */
export interface Origin {
  /** Path as given, `command line`, `environment` or `default`. */
  readonly file: string
  /** From 1; 0 where lines make no sense. */
  readonly line: number
}

export const COMMAND_LINE: Origin = { file: 'command line', line: 0 }
export const ENVIRONMENT: Origin = { file: 'environment', line: 0 }
export const DEFAULT: Origin = { file: 'default', line: 0 }

export const place = ({ file, line }: Origin): string => (line === 0 ? file : `${file}:${line}`)

export interface Complaint {
  readonly origin: Origin
  /** The key as written: `--c2s-ports`, `c2s/connections/ports`; empty when the file itself is the trouble. */
  readonly key: string
  /** What was given, secrets masked already. */
  readonly given?: string
  /** What is wrong and what is allowed. */
  readonly problem: string
}

/** One line for an operator: `etc/init.properties:7: --c2s-ports=70000: ports from 0 to 65535 ...`. */
export function complaintText({ origin, key, given, problem }: Complaint): string {
  const what = key === '' ? '' : `${key}${given === undefined ? '' : `=${given}`}: `
  return visible(`config: ${origin.file === '' ? '' : `${place(origin)}: `}${what}${problem}`)
}

/** Control characters by number: keys come from files, and complaints go to terminals. */
const visible = (text: string): string =>
  text.replace(/[\p{Cc}\u2028\u2029]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)

export class ConfigError extends Error {
  constructor(readonly faults: readonly Complaint[]) {
    super(faults.map(complaintText).join('\n'))
    this.name = 'ConfigError'
  }
}

/** A fault of one option outside reading, for example a port that is taken. */
export const optionError = (key: string, problem: string, origin: Origin = DEFAULT): ConfigError =>
  new ConfigError([{ origin, key, problem }])

const SECRET_KEY = /pass|secret|api-keys|credential|^--external$|^--ext-comp|^--cluster-nodes$/i
const GIVEN_MAX = 200

/** The value as it may be printed: secrets as `***`, control characters escaped, not endless. */
export function masked(key: string, value: string, secret = false): string {
  if ((secret || SECRET_KEY.test(key)) && !/-file$/.test(key)) return '***'
  const open = value
    .replace(/((?:password|passwd|pwd|secret)=)[^&;:,\s]*/gi, '$1***')
    .replace(/(\/\/[^/@\s:]*:)[^@\s]*@/g, '$1***@')
  const shown = open.length > GIVEN_MAX ? `${open.slice(0, GIVEN_MAX)}...` : open
  return visible(shown)
}

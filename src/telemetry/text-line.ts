/** One JSON line of the log as text for people: time, level, room, event, then the fields. Pure. */
const PARTS = new Set(['time', 'level', 'room', 'event', 'err'])

function plain(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return /^[\p{L}\p{N}\p{P}\p{S}]+$/u.test(text) ? text : JSON.stringify(text)
}

function trace(err: unknown): string {
  if (typeof err !== 'object' || err === null) return ''
  const { stack, message } = err as { stack?: unknown; message?: unknown }
  const text = typeof stack === 'string' ? stack : String(message)
  return `\n    ${text.replace(/[^\P{Cc}\n]/gu, ' ').split('\n').map((line) => line.trim()).join('\n    ')}`
}

/** A line that is no JSON object is passed on as it is. */
export function textLine(line: string): string {
  let fields: Record<string, unknown>
  try {
    fields = JSON.parse(line) as Record<string, unknown>
  } catch {
    return line
  }
  const { time, level, room, event, err } = fields
  const rest = Object.entries(fields).filter(([key]) => !PARTS.has(key)).map(([key, value]) => `${key}=${plain(value)}`)
  const clock = typeof time === 'string' ? time.slice(11, 23) : ''
  const head = `${clock} ${String(level).toUpperCase().padEnd(5)} ${String(room ?? '').padEnd(9)} ${String(event)}`
  return `${[head, ...rest].join(' ')}${trace(err)}\n`
}

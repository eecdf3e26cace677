/** Dates and times (XEP-0082): UTC to the outside, any offset from it. */
const DATE_TIME = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/

/** @param ms since 1970 */
export function dateTime(ms: number): string {
  return new Date(ms).toISOString()
}

/** Milliseconds since 1970, or `undefined` for what is no date and time. */
export function parseDateTime(text: string): number | undefined {
  const [, day, time, fraction, zone] = DATE_TIME.exec(text) ?? []
  if (day === undefined || time === undefined || zone === undefined) return undefined
  const utc = Date.parse(`${day}T${time}Z`)
  // A day that does not exist (30 February) would roll over into the next month.
  if (Number.isNaN(utc) || !new Date(utc).toISOString().startsWith(day)) return undefined
  const ms = Math.floor(Number(`0${fraction ?? ''}`) * 1000)
  const offset = offsetMs(zone)
  return offset === undefined ? undefined : utc + ms - offset
}

function offsetMs(zone: string): number | undefined {
  if (zone === 'Z') return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(4))
  if (hours > 14 || minutes > 59) return undefined
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000
}

/** Dates and times (XEP-0082): always UTC to the outside. */

/** @param ms since 1970 */
export function dateTime(ms: number): string {
  return new Date(ms).toISOString()
}

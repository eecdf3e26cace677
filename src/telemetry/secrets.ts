/** What must not get into a log, struck out by its name. */

/** Nothing named like these is ever meant for a log. */
const SECRET: ReadonlySet<string> = new Set([
  'password', 'secret', 'token', 'storedKey', 'serverKey', 'privateKey', 'authorization', 'cookie', 'salt'
])
const STRUCK = '***'

/** `fields` with secrets struck out, their own and those one level down; `fields` itself when there are none. */
export function withoutSecrets(fields: Record<string, unknown>): Record<string, unknown> {
  let clean: Record<string, unknown> | undefined
  for (const [name, value] of Object.entries(fields)) {
    const shown = SECRET.has(name) ? STRUCK : shownOf(value)
    if (shown === value) continue
    clean ??= { ...fields }
    clean[name] = shown
  }
  return clean ?? fields
}

function shownOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const named = Object.keys(value).filter((name) => SECRET.has(name))
  if (named.length === 0) return value
  const struck = Object.fromEntries(named.map((name) => [name, { value: STRUCK, enumerable: true }]))
  return Object.create(Object.getPrototypeOf(value) as object | null, { ...Object.getOwnPropertyDescriptors(value), ...struck }) as object
}

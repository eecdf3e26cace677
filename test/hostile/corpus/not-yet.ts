/** Rows that do not run yet, each with its reason. */
export const NOT_YET: ReadonlyMap<string, string> = new Map()

/** Initial values of a group of options, for tests of the rooms that read them. */
import type { OptionGroup, Values } from '../../src/config/option.js'

export const valuesOf = <G extends OptionGroup>(group: G): Values<G> =>
  Object.fromEntries(Object.entries(group).map(([field, option]) => [field, option.initial])) as Values<G>

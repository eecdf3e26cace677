/** Real clients' stream management, cut and resumed in mid-conversation: at length. */
import { resumeSuite } from './resume-suite.js'

resumeSuite(
  (['broadcast', 'online-users-caching'] as const).flatMap((strategy) =>
    (['plain', 'starttls', 'direct'] as const).map((security) => ({ strategy, security }))),
  { messages: 1_000, cuts: 20 }, 600_000
)

/** Real clients' stream management, cut and resumed in mid-conversation: the short form. */
import { resumeSuite } from './resume-suite.js'

resumeSuite(
  [{ strategy: 'broadcast', security: 'plain' }, { strategy: 'online-users-caching', security: 'starttls' }], { messages: 100, cuts: 4 }, 90_000
)

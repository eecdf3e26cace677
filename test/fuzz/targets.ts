/** All targets of the fuzzer. */
import { ADDRESS_OPTION, PROPERTIES } from './config-target.js'
import { CERTIFICATE, WISHES } from './element-target.js'
import { LINK, VALUES } from './frames-target.js'
import { BODY, MESSAGE, PROXY_HEADER } from './framing-target.js'
import { JIDS } from './jid-target.js'
import { HEADER, HOP, LOGINS } from './message-target.js'
import type { Target } from './run.js'
import { PARSER, VALID } from './xml-target.js'

export const TARGETS: readonly Target[] = [
  PARSER, VALID, MESSAGE, BODY, PROXY_HEADER, HOP, JIDS, PROPERTIES, ADDRESS_OPTION, LOGINS, HEADER, WISHES, CERTIFICATE, VALUES, LINK
]

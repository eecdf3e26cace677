/** All rows that are bytes and an outcome, by title. */
import { IQ_ROWS } from './iq.js'
import { JID_ROWS } from './jid.js'
import type { Row } from './row.js'
import { SASL_ROWS } from './sasl.js'
import { SASL2_ROWS } from './sasl2.js'
import { SM_ROWS } from './sm.js'
import { STANZA_ROWS } from './stanza.js'
import { STREAM_ROWS } from './stream.js'
import { XML_ROWS } from './xml.js'

export const ROWS: readonly (readonly [title: string, rows: readonly Row[]])[] = [
  ['XML', XML_ROWS], ['streams', STREAM_ROWS], ['stanzas', STANZA_ROWS], ['addresses', JID_ROWS], ['logins', SASL_ROWS],
  ['logins in one round trip', SASL2_ROWS], ['IQs', IQ_ROWS],
  ['stream management', SM_ROWS]
]

export const ALL_ROWS: readonly Row[] = ROWS.flatMap(([, rows]) => rows)

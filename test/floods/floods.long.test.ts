/** Floods at length: 5,000 silent connections, 500 logins, 1,000 stanzas sent again. */
import { floods } from './plays.js'

floods(10)

/** Floods, the short form. */
import { floods } from './plays.js'

floods(1)

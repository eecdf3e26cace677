/**
 * Rows that need what no wire can bring (a database that loses its last commits, a count near 2^32, all of Unicode): proved by
 * tests of the parts themselves. `corpus.test.ts` looks that each of these tests is there.
 */
export interface Elsewhere {
  readonly id: string
  /** Below `test/`. */
  readonly file: string
  /** Of its name, as it stands in the file. */
  readonly name: string
}

const row = (id: string, file: string, name: string): Elsewhere => ({ id, file, name })

export const ELSEWHERE: readonly Elsewhere[] = [
  row('M06', 'session/resumption.test.ts', 'M06, trap 1: counts what is accepted, not what is read'),
  row('M16', 'session/resumption.test.ts', 'M16, trap 19: both counts go from 4294967295 to 0'),
  row('J19', 'xmpp/jid.test.ts', 'gives the same Jid again, forgets the oldest, and keeps no failures'),
  row('J22', 'xmpp/precis.test.ts', 'J22: what is mapped once is mapped for good'),
  row('T22', 'transport/pace.test.ts', 'that sends too many bytes is read more slowly'),
  row('K15', 'cluster/unit-life.test.ts', 'K15 the link is reset after 15 s without an answer to a PING'),
  row('D09', 'contract/storage-outage.test.ts', 'a deadlock is repeated until both are through'),
  row('D10', 'contract/storage-outage.test.ts', 'a transaction unknown only once it commits'),
  row('D13', 'cluster/unit-membership.test.ts', 'a database that went back in time is answered by fencing again'),
  row('D14', 'cluster/database-away.test.ts', 'two nodes on SQLite whose file is held by a process that stands still'),
  row('D17', 'overload/overload.test.ts', 'a slow disk for logs'),
  row('D21', 'cluster/unit-membership.test.ts', 'a node whose beat moves is never suspected'),
  row('D27', 'cluster/isolation.test.ts', 'cut from the database but linked')
]

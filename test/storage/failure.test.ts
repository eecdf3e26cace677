/** What the drivers' errors mean. */
import { describe, expect, test } from '@jest/globals'
import { classify } from '../../src/storage/failure.js'

const driver = (fields: object, message = 'said the driver'): Error => Object.assign(new Error(message), fields)

describe('an error of a database', () => {
  test.each([
    ['PostgreSQL: deadlock', { code: '40P01' }, 'again', true],
    ['PostgreSQL: serialization failure', { code: '40001' }, 'again', true],
    ['PostgreSQL: statement time-out', { code: '57014' }, 'away', true],
    ['PostgreSQL: shutting down', { code: '57P01' }, 'away', false],
    ['PostgreSQL: connection class', { code: '08006' }, 'away', false],
    ['PostgreSQL: too many connections', { code: '53300' }, 'away', true],
    ['PostgreSQL: unique', { code: '23505' }, 'refused', true],
    ['MariaDB: deadlock', { code: 'ER_LOCK_DEADLOCK', errno: 1213 }, 'again', true],
    ['MariaDB: lock wait', { code: 'ER_LOCK_WAIT_TIMEOUT', errno: 1205 }, 'away', true],
    ['MariaDB: statement time-out', { code: 'ER_STATEMENT_TIMEOUT', errno: 1969 }, 'away', true],
    ['MariaDB: shutting down', { code: 'ER_SERVER_SHUTDOWN', errno: 1053 }, 'away', false],
    ['MariaDB: unique', { code: 'ER_DUP_ENTRY', errno: 1062 }, 'refused', true],
    ['MariaDB: connection lost', { code: 'PROTOCOL_CONNECTION_LOST' }, 'away', false],
    ['SQLite: busy', { code: 'SQLITE_BUSY' }, 'away', true],
    ['SQLite: disk', { code: 'SQLITE_IOERR_FSYNC' }, 'away', false],
    ['SQLite: unique', { code: 'SQLITE_CONSTRAINT_UNIQUE' }, 'refused', true],
    ['refused connection', { code: 'ECONNREFUSED', errno: -111, syscall: 'connect' }, 'away', true],
    ['connection reset', { code: 'ECONNRESET', errno: -104, syscall: 'read' }, 'away', false],
    ['silence', { code: 'STATEMENT_SILENT' }, 'away', false]
  ])('%s', (_name, fields, kind, undone) => {
    expect(classify(driver(fields))).toMatchObject({ kind, undone })
  })

  test.each([
    [{ code: '28P01' }, 'password'], [{ code: '3D000' }, 'database'], [{ code: '42501' }, 'right'],
    [{ code: 'ER_ACCESS_DENIED_ERROR', errno: 1045 }, 'password'], [{ code: 'ER_BAD_DB_ERROR', errno: 1049 }, 'database'],
    [{ code: 'ER_TABLEACCESS_DENIED_ERROR', errno: 1142 }, 'right'], [{ code: 'SQLITE_NOTADB' }, 'file']
  ])('%j needs an operator: %s', (fields, cause) => {
    expect(classify(driver(fields))).toMatchObject({ cause })
  })

  test.each([
    ['Connection terminated unexpectedly', 'Error', false],
    ['Client has encountered a connection error and is not queryable', 'Error', false],
    ["Can't add new command when connection is in closed state", 'Error', false],
    ['timeout expired', 'Error', true],
    ['Knex: Timeout acquiring a connection', 'KnexTimeoutError', true]
  ])('is known by its words: %s', (message, name, undone) => {
    expect(classify(driver({ name }, message))).toMatchObject({ kind: 'away', undone })
  })

  test('anything else is not the database\'s', () => {
    expect(classify(new TypeError('x is not a function'))).toBeUndefined()
    expect(classify(driver({ code: 'ERR_INVALID_ARG_TYPE' }))).toBeUndefined()
    expect(classify('text')).toBeUndefined()
  })

  test('shows the statement and its code, never a value', () => {
    const message = "insert into `accounts` (`jid_key`) values (?) - Duplicate entry 'romeo' for key 'jid_key'"
    expect(classify(driver({ code: 'ER_DUP_ENTRY', errno: 1062 }, message))?.text).toBe(
      'ER_DUP_ENTRY: insert into `accounts` (`jid_key`) values (?)'
    )
    expect(classify(driver({ code: 'ER_DUP_ENTRY', errno: 1062 }, "Duplicate entry 'romeo'"))?.text).toBe('ER_DUP_ENTRY')
  })
})

/** `--user-db` and `--user-db-uri` in Tigase's forms. */
import { describe, expect, test } from '@jest/globals'
import { read, warningsOf, complaints } from './reading.js'

const database = (uri: string, ...more: readonly string[]) => read({ argv: [`--user-db-uri=${uri}`, ...more] }).database

describe('the database', () => {
  test('nothing said: the embedded one', () => {
    expect(read({ argv: ['--log-level=info'] }).database).toEqual({ kind: 'sqlite', file: './data/starling.db', poolSize: 10,
      waitSeconds: 60 })
  })

  test.each([
    ['jdbc:sqlite:/var/lib/x.db', { kind: 'sqlite', file: '/var/lib/x.db' }],
    ['jdbc:sqlite::memory:', { kind: 'sqlite', file: ':memory:' }],
    ['jdbc:derby:tigase;create=true', { kind: 'sqlite', file: './data/starling.db' }],
    ['jdbc:postgresql://h/d?user=u', { kind: 'postgresql', host: 'h', port: 5432, database: 'd', user: 'u', password: '', ssl: false }],
    ['postgresql://u:p%40w@h:6432/d', { kind: 'postgresql', host: 'h', port: 6432, database: 'd', user: 'u', password: 'p@w', ssl: false }],
    ['jdbc:postgresql:///d?user=u', { kind: 'postgresql', host: 'localhost' }],
    ['jdbc:mysql://[2001:db8::7]:3307/my_db?user=u&password=a+b%26c%zz&useSSL=true', { kind: 'mysql', host: '2001:db8::7', port: 3307,
      database: 'my_db', password: 'a+b&c%zz', ssl: { verify: false } }],
    ['jdbc:mysql://h/d?user=u&useSSL=true&verifyServerCertificate=true', { ssl: true }],
    ['jdbc:postgresql://h/d?user=u&sslmode=verify-full', { ssl: true }],
    ['jdbc:postgresql://h/d?user=u&password=x#y', { password: 'x#y' }],
    ['jdbc:mariadb://h/d?user=u', { kind: 'mysql', port: 3306 }]
  ])('%s', (uri, expected) => {
    expect(database(uri)).toMatchObject(expected)
  })

  test('Tigase class names of a repository leave the kind to the URI', () => {
    expect(database('jdbc:mysql://h/d?user=u', '--user-db=tigase.db.jdbc.JDBCRepository').kind).toBe('mysql')
  })

  test('the password from a file: its first line', () => {
    const argv = ['--user-db-uri=jdbc:mysql://h/d?user=u&password=uri', '--user-db-password-file=pw']
    expect(read({ argv, files: { pw: 'from file\nnot this' } }).database).toMatchObject({ password: 'from file' })
    expect(complaints({ argv })).toEqual(['config: command line: --user-db-uri: pw: no such file'])
  })

  test('parameters of Java drivers are known, others give a warning without their value', () => {
    const uri = 'jdbc:mysql://h/d?user=u&useUnicode=true&characterEncoding=UTF-8&autoCreateUser=true&loadBalance=hush'
    expect(warningsOf(read({ argv: [`--user-db-uri=${uri}`] }))).toEqual(['0 --user-db-uri: parameter loadbalance is ignored'])
  })
})

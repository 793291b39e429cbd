import { Database } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { checkVersion, MIGRATIONS, migrate } from './migrations.ts'

const version = (database: Database): unknown => database.query('PRAGMA user_version').values()[0]?.[0]
const tables = (database: Database): unknown[] => database.query('SELECT name FROM sqlite_schema ORDER BY name').values().flat()

describe('migrations', () => {
  test('make every table of a new database, strict, and need no second run', () => {
    using database = new Database(':memory:')
    checkVersion(database, 'file')
    migrate(database)
    const made = tables(database)
    expect(made).toContain('sandboxes')
    expect(version(database)).toBe(MIGRATIONS.length)
    const loose = `SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict AND name NOT LIKE 'sqlite_%'`
    expect(database.query(loose).values()).toEqual([])
    migrate(database)
    checkVersion(database, 'file')
    expect(tables(database)).toEqual(made)
  })

  test('go on where an older release stopped, and keep what is there', () => {
    using database = new Database(':memory:')
    const first = ['CREATE TABLE a (x TEXT) STRICT']
    migrate(database, first)
    database.run(`INSERT INTO a VALUES ('kept')`)
    migrate(database, [...first, `ALTER TABLE a ADD COLUMN y TEXT NOT NULL DEFAULT 'new'`, 'CREATE TABLE b (x TEXT) STRICT'])
    expect(database.query('SELECT * FROM a').values()).toEqual([['kept', 'new']])
    expect(tables(database)).toEqual(['a', 'b'])
    expect(version(database)).toBe(3)
  })

  test('that fail in the middle leave the version before', () => {
    using database = new Database(':memory:')
    const good = 'CREATE TABLE a (x TEXT) STRICT'
    const bad = 'CREATE TABLE b (x TEXT) STRICT; DROP TABLE a; CREATE TABLE nonsense (x NOTATYPE) STRICT'
    expect(() => migrate(database, [good, bad])).toThrow()
    expect(database.inTransaction).toBe(false)
    expect(version(database)).toBe(1)
    expect(tables(database)).toEqual(['a'])
  })

  test('refuse a database of a newer version, naming both, and change nothing', () => {
    using database = new Database(':memory:')
    migrate(database, ['CREATE TABLE a (x TEXT) STRICT', 'CREATE TABLE b (x TEXT) STRICT', 'CREATE TABLE c (x TEXT) STRICT'])
    expect(() => checkVersion(database, 'the file', 2)).toThrow(
      '"the file" has version 3, made by a newer agentkernel; this one knows versions up to 2',
    )
    expect(version(database)).toBe(3)
  })

  test('leave the database of another program alone', () => {
    for (const statement of ['CREATE TABLE theirs (x TEXT)', 'PRAGMA user_version = 1']) {
      using database = new Database(':memory:')
      database.run(statement)
      expect(() => checkVersion(database, 'the file')).toThrow('belongs to another program')
    }
  })
})

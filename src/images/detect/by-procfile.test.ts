import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { detectByProcfile, PROCFILE_LIMIT } from './by-procfile.ts'
import { LANGUAGES } from './languages.ts'

const languageOf = (text: string): string | undefined => detectByProcfile(text)?.match.language.id

describe('detectByProcfile', () => {
  test.each([
    ['a command', 'web: node server.js', 'node'],
    ['the first line that is known', 'static: nginx\nweb: python app.py\nworker: node x.js', 'python'],
    ['no space after the colon', 'web:ruby app.rb', 'ruby'],
    ['Windows line ends', '# x\r\nweb: mix phx.server\r\n', 'elixir'],
    ['a byte order mark', '\uFEFFweb: php -S 0.0.0.0:80', 'php'],
    ['an indented line', '   web: go run .', 'go'],
    ['tabs', 'web:\tjava\t-jar app.jar', 'java'],
    ['a path', 'web: ./bin/rails server', 'ruby'],
    ['a variable in the path', 'web: $HOME/bin/node x', 'node'],
    ['bundle exec', 'web: bundle exec rails server', 'ruby'],
    ['exec', 'web: exec gunicorn app:app', 'python'],
    ['variables first', 'web: PORT=80 RAILS_ENV=production puma', 'ruby'],
    ['quoted variables', `web: NAME="a b" OTHER='c d' node x`, 'node'],
    ['env with options', 'web: env -i A=b dotnet App.dll', 'dotnet'],
    ['exec before variables', 'web: exec env A=1 lua main.lua', 'lua'],
    ['a quoted program', 'web: "python3" app.py', 'python'],
    ['a version', 'web: python3.12 app.py', 'python'],
    ['a shell around the program', `web: sh -c 'exec npm start'`, 'node'],
    ['a login shell', 'web: bash -lc "bundle exec puma"', 'ruby'],
    ['a shell alone', 'web: sh run.sh', 'shell'],
    ['a shell that helps another program', 'release: sh migrate.sh\nweb: node x', 'node'],
  ])('reads %s', (_what, text, id) => {
    expect(languageOf(text)).toBe(id)
  })

  test.each([
    ['an empty text', ''],
    ['a comment', '#web: node x'],
    ['an indented comment', '  # web: node x'],
    ['a line without a command', 'web:'],
    ['a line without a type', ': node x'],
    ['a type with spaces', 'the web: node x'],
    ['a line without a colon', 'node server.js'],
    ['only variables', 'web: A=1 B=2'],
    ['only exec', 'web: exec'],
    ['an unknown program', 'web: nginx -g node'],
    ['an empty shell script', 'web: unknown\nweb2: A=1 ""'],
    ['an open quote', 'web: "node server.js'],
    ['a NUL in the program', 'web: no\0de x'],
  ])('finds nothing in %s', (_what, text) => {
    expect(languageOf(text)).toBeUndefined()
  })

  test('names the process type and the program', () => {
    const found = detectByProcfile('release: x\nmy-web_2: exec /usr/bin/python3 -m app')
    expect([found?.processType, found?.match.typed]).toEqual(['my-web_2', 'python3'])
  })

  test('ignores what comes after the limit', () => {
    const filler = `${'#'.repeat(99)}\n`.repeat(PROCFILE_LIMIT / 100 + 1)
    expect(languageOf(`web: node x\n${filler}`)).toBe('node')
    expect(languageOf(`${filler}web: node x`)).toBeUndefined()
  })

  test.each([
    ['lines', 'web: "\n'],
    ['quotes', `web: "'`],
    ['assignments', 'web: A=1 '],
    ['nested shells', `web: sh -c "sh -c 'sh `],
    ['colons', ':'],
    ['NUL bytes', '\0'],
  ])('copes with 10 MB of %s', (_what, unit) => {
    detectByProcfile(unit.repeat(Math.ceil(10_000_000 / unit.length)))
  })

  test('never fails, and reports only text that is safe to print', () => {
    const names = LANGUAGES.flatMap((language) => language.commands)
    const word = fc.oneof(fc.constantFrom(...names, 'exec', 'env', 'A=1', '-c', '"', "'", '\n', ':', '#'), fc.string({ unit: 'binary' }))
    const text = fc.array(word, { maxLength: 30 }).map((words) => `web: ${words.join(' ')}`)
    fc.assert(
      fc.property(text, (procfile) => {
        const found = detectByProcfile(procfile)
        if (found === undefined) return
        expect(found.processType).toMatch(/^[A-Za-z0-9_-]{1,64}$/)
        expect(found.match.typed).toMatch(/^[A-Za-z0-9.+-]{1,64}$/)
      }),
    )
  })
})

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { detectByCommand } from './by-command.ts'
import { LANGUAGES } from './languages.ts'

describe('detectByCommand', () => {
  test('knows every command of the contract', () => {
    const contract: Record<string, string> = {
      node: 'node npm npx yarn pnpm bun tsx ts-node',
      rust: 'cargo rustc rustup rustfmt clippy',
      go: 'go gofmt',
      python: 'python python3 pip pip3 poetry uv pytest ruff',
      ruby: 'ruby gem bundle bundler rake rails',
      java: 'java javac mvn gradle gradlew',
      dotnet: 'dotnet csc fsc',
      c: 'gcc g++ clang clang++ make cmake cc',
      php: 'php composer',
      elixir: 'elixir mix iex',
      shell: 'sh bash zsh ash',
      lua: 'lua luajit luarocks',
      terraform: 'terraform',
    }
    const got = Object.values(contract).flatMap((commands) => commands.split(' ').map((name) => detectByCommand(name)?.language.id))
    const wanted = Object.entries(contract).flatMap(([id, commands]) => commands.split(' ').map(() => id))
    expect(got).toEqual(wanted)
  })

  test('finds every command of the table, bare and behind a path', () => {
    for (const language of LANGUAGES) {
      for (const command of [...language.commands, ...language.tools]) {
        expect(detectByCommand(command)?.language.id).toBe(language.id)
        expect(detectByCommand(`/usr/local/bin/${command}`)?.language.id).toBe(language.id)
      }
    }
  })

  test('gives no command to two languages', () => {
    const all = LANGUAGES.flatMap((language) => [...language.commands, ...language.tools])
    expect(all.length).toBe(new Set(all).size)
  })

  test.each([
    ['python3.12', 'python', 'python'],
    ['pip3.12', 'pip', 'python'],
    ['gcc-12', 'gcc', 'c'],
    ['g++-13', 'g++', 'c'],
    ['clang++-15', 'clang++', 'c'],
    ['node22', 'node', 'node'],
    ['ruby3.3', 'ruby', 'ruby'],
    ['php8.3', 'php', 'php'],
    ['lua5.4', 'lua', 'lua'],
    ['go1.22.1', 'go', 'go'],
    ['/opt/python/bin/python3.13', 'python', 'python'],
  ])('reads the version off %s', (typed, command, id) => {
    const match = detectByCommand(typed)
    expect([match?.command, match?.language.id]).toEqual([command, id])
  })

  test.each([
    ['nothing', ''],
    ['a bare slash', '/'],
    ['a directory', '/usr/bin/python3/'],
    ['another command', 'echo'],
    ['another case', 'Python3'],
    ['a longer name', 'python3-config'],
    ['a version alone', '3.12'],
    ['a dash alone', '-12'],
    ['text after the version', 'python3.12rc'],
    ['a trailing dot', 'python3.'],
    ['a NUL', 'python3\0'],
    ['a newline', 'python3\n'],
    ['a space', 'python3 -c'],
    ['a property of objects', 'constructor'],
    ['a huge name', 'python3'.repeat(200_000)],
    ['a huge version', `python${'3.'.repeat(500_000)}1`],
  ])('claims nothing for %s', (_what, argv0) => {
    expect(detectByCommand(argv0)).toBeUndefined()
  })

  test('reports only text that is safe to print, whatever is typed', () => {
    const names = LANGUAGES.flatMap((language) => [...language.commands, ...language.tools])
    const argv0 = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.tuple(fc.string(), fc.constantFrom(...names), fc.stringMatching(/^[-0-9.]{0,6}$/)).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(argv0, (text) => {
        const match = detectByCommand(text)
        if (match === undefined) return
        expect(match.typed).toMatch(/^[A-Za-z0-9.+-]{1,64}$/)
        expect(text.endsWith(match.typed)).toBe(true)
        expect(match.typed.startsWith(match.command)).toBe(true)
      }),
    )
  })
})

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { detectByFiles, type ProjectEntry } from './by-files.ts'
import { LANGUAGES, MARKER_GRADES } from './languages.ts'

const files = (...names: string[]): ProjectEntry[] => names.map((name) => ({ name, isDirectory: false }))
const languageOf = (...names: string[]): string | undefined => detectByFiles(files(...names))?.language.id

describe('detectByFiles', () => {
  test('knows every file of the contract', () => {
    const contract: Record<string, string> = {
      node: 'package.json package-lock.json yarn.lock pnpm-lock.yaml bun.lockb',
      rust: 'Cargo.toml Cargo.lock',
      go: 'go.mod go.sum',
      python: 'pyproject.toml requirements.txt setup.py setup.cfg Pipfile poetry.lock uv.lock',
      ruby: 'Gemfile Gemfile.lock thing.gemspec',
      java: 'pom.xml build.gradle build.gradle.kts settings.gradle',
      kotlin: 'Main.kt',
      dotnet: 'App.csproj App.fsproj App.sln global.json',
      c: 'Makefile CMakeLists.txt configure main.c main.cpp main.h',
      php: 'composer.json composer.lock index.php',
      elixir: 'mix.exs mix.lock',
      shell: 'install.sh',
      lua: 'init.lua .luacheckrc',
      terraform: 'main.tf prod.tfvars terraform.tfstate',
    }
    const got = Object.values(contract).flatMap((names) => names.split(' ').map((name) => languageOf(name)))
    const wanted = Object.entries(contract).flatMap(([id, names]) => names.split(' ').map(() => id))
    expect(got).toEqual(wanted)
  })

  test('finds every marker of the table by itself', () => {
    for (const language of LANGUAGES) {
      for (const marker of MARKER_GRADES.flatMap((grade) => language.files[grade] ?? [])) {
        expect([marker, languageOf(marker.replace('*', 'some.name'))]).toEqual([marker, language.id])
      }
    }
  })

  test('gives no marker to two languages', () => {
    const all = LANGUAGES.flatMap((language) => MARKER_GRADES.flatMap((grade) => language.files[grade] ?? []))
    expect(all.length).toBe(new Set(all).size)
  })

  test('lets a Makefile win over no other language', () => {
    for (const language of LANGUAGES) {
      for (const marker of [...(language.files.strong ?? []), ...(language.files.likely ?? [])]) {
        const name = marker.replace('*', 'x')
        expect([marker, languageOf('Makefile', name), languageOf(name, 'Makefile')]).toEqual([marker, language.id, language.id])
      }
    }
  })

  test.each([
    ['php', ['Makefile', 'composer.json']],
    ['php', ['Makefile', 'configure', 'compat.h', 'index.php']],
    ['terraform', ['Makefile', 'main.tf', 'deploy.sh']],
    ['terraform', ['main.tf', 'lambda.py']],
    ['elixir', ['Makefile', 'mix.exs', 'nif.h']],
    ['lua', ['Makefile', 'configure', 'init.lua']],
    ['kotlin', ['Makefile', 'Main.kt', 'build.sh']],
    ['python', ['pyproject.toml', 'run.sh', 'Makefile']],
    ['python', ['main.py', 'run.sh', 'Makefile']],
    ['shell', ['Makefile', 'install.sh']],
    ['c', ['Makefile']],
    ['c', ['Makefile', 'main.c']],
    ['c', ['main.c', 'gen.py', 'build.sh']],
    ['c', ['configure', 'autogen.sh', 'Makefile']],
    ['c', ['CMakeLists.txt', 'run.sh']],
    ['node', ['package.json', 'Cargo.toml']],
    ['node', ['index.js', 'Makefile']],
  ])('sees %s in %j', (id, names) => {
    expect(languageOf(...names)).toBe(id)
  })

  test('names the marker, never the file', () => {
    expect(detectByFiles(files('evil\u001B[2J\n.tf'))?.marker).toBe('*.tf')
  })

  test('does not count directories', () => {
    expect(detectByFiles([{ name: 'package.json', isDirectory: true }])).toBeUndefined()
    expect(detectByFiles([{ name: 'vendor.php', isDirectory: true }, ...files('go.mod')])?.language.id).toBe('go')
  })

  test.each([[''], ['.'], ['.c'], ['.sh'], ['c'], ['Makefile.old'], ['package.json\0'], ['PACKAGE.JSON'], ['README.md'], ['__proto__']])(
    'sees no language in %j',
    (name) => {
      expect(languageOf(name)).toBeUndefined()
    },
  )

  test('does not depend on the order of the entries', () => {
    const names = LANGUAGES.flatMap((language) => MARKER_GRADES.flatMap((grade) => language.files[grade] ?? []))
    const some = fc.uniqueArray(fc.constantFrom(...names.map((marker) => marker.replace('*', 'x'))), { maxLength: 8 })
    fc.assert(
      fc.property(some, (chosen) => {
        expect(languageOf(...chosen)).toBe(languageOf(...chosen.toReversed()))
      }),
    )
  })

  test('takes any names without failing', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (names) => {
        detectByFiles(files(...names))
      }),
    )
  })
})

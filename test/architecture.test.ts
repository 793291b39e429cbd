import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { forbiddenCode } from './support/forbidden-code.ts'
import { foreignText, lockfileAddresses } from './support/foreign-text.ts'
import { layerViolations } from './support/layers.ts'
import { sizeViolations } from './support/size-budget.ts'
import { allTypeScript, committedFiles, importsOf, productFiles, ROOT, type SourceFile, withoutComments } from './support/source-files.ts'

const product = productFiles()

describe('the source tree', () => {
  test('imports point one way', () => {
    expect(layerViolations(product)).toEqual([])
  })

  test('every import of a file names a file that exists', () => {
    const broken = product.flatMap((file) =>
      importsOf(file)
        .filter((target) => target.startsWith('src/') && !Bun.file(join(ROOT, target)).size)
        .map((target) => `${file.path} imports ${target}, which does not exist`),
    )
    expect(broken).toEqual([])
  })

  test('files and functions keep their budget', () => {
    expect(sizeViolations(product)).toEqual([])
  })

  test('drivers are named, the environment read and the process ended only where they belong', () => {
    expect(forbiddenCode(product)).toEqual([])
  })

  test('nothing committed names a registry or a folder of one machine', () => {
    const texts = committedFiles().filter((path) => !/\.(?:png|jpg|ico|woff2?|gz|wasm|bin)$/.test(path))
    expect(texts.flatMap((path) => foreignText(path, readFileSync(join(ROOT, path), 'utf8')))).toEqual([])
  })

  test('the lockfile holds no addresses', () => {
    expect(lockfileAddresses(readFileSync(join(ROOT, 'bun.lock'), 'utf8'))).toEqual([])
  })

  test('no test is left switched on alone', () => {
    const alone = allTypeScript().filter((file) => /\b(?:test|describe|it)\.only\(/.test(file.code))
    expect(alone.map((file) => `${file.path}: remove .only`)).toEqual([])
  })
})

/** The rules themselves: each must catch what it is for. */
describe('the rules', () => {
  const source = (path: string, text: string): SourceFile => ({ path, text, code: withoutComments(text) })
  const imports = (path: string, target: string) => layerViolations([source(path, `import { a } from '${target}'\n`)])

  test('an import against the arrows is named with its fix', () => {
    expect(imports('src/lib/a.ts', '../contract/errors.ts')[0]).toContain(
      'src/lib/a.ts imports src/contract/errors.ts: lib may import nothing',
    )
    expect(imports('src/cli/a.ts', '../engine/run.ts')).toHaveLength(1)
    expect(imports('src/policy/a.ts', '../store/audit/log.ts')).toHaveLength(1)
    expect(imports('src/engine/a.ts', '../drivers/docker/index.ts')[0]).toContain('drivers/driver.ts instead')
    expect(imports('src/drivers/docker/a.ts', '../podman/b.ts')[0]).toContain('never another driver')
    expect(imports('src/drivers/docker/a.ts', '../../store/b.ts')).toHaveLength(1)
    expect(imports('src/drivers/shared/a.ts', '../podman/b.ts')).toHaveLength(1)
    expect(imports('src/utils/a.ts', '../lib/b.ts')[0]).toContain('not a folder of the layer table')
    expect(imports('src/engine/a.ts', '../../test/support/layers.ts')).toHaveLength(1)
  })

  test('imports along the arrows pass', () => {
    expect(imports('src/engine/a.ts', '../drivers/driver.ts')).toEqual([])
    expect(imports('src/drivers/docker/a.ts', '../shared/b.ts')).toEqual([])
    expect(imports('src/drivers/docker/a.ts', '../../policy/b.ts')).toEqual([])
    expect(imports('src/main/a.ts', '../drivers/docker/index.ts')).toEqual([])
  })

  test('imports are found in every form, and not in comments', () => {
    const text = `import type { A } from './a.ts'\nimport {\n  b,\n} from "./b.ts"\nexport * from './c.ts'\nimport './d.ts'\nconst e = await import('./e.ts')\n// import './no.ts'\n/* from './no.ts' */\n`
    expect(importsOf(source('src/lib/x.ts', text))).toEqual(['a', 'b', 'c', 'd', 'e'].map((name) => `src/lib/${name}.ts`))
  })

  test('a long file or function is named, and so is a reason that is no longer needed', () => {
    const long = source('src/lib/long.ts', 'x\n'.repeat(401))
    expect(sizeViolations([long], {})).toContainEqual(expect.stringContaining('src/lib/long.ts: 401 lines'))
    expect(sizeViolations([long], { 'src/lib/long.ts': 'a table' }).filter((text) => text.includes('the limit is 400'))).toEqual([])
    expect(sizeViolations([source('src/lib/short.ts', 'x\n')], { 'src/lib/short.ts': 'a table' })).toHaveLength(1)
    const body = '  x()\n'.repeat(79)
    expect(sizeViolations([source('src/lib/f.ts', `export function f(): void {\n${body}}\n`)], {})).toContainEqual(
      expect.stringContaining('f has 81 lines'),
    )
  })

  test('a driver name, the environment, an exit and a plain error are caught outside their place', () => {
    const text = `if (name === 'docker') process.exit(Number(process.env['X']))\nthrow new Error('x')\n// 'podman'\nconst dir = '.docker'\n`
    expect(forbiddenCode([source('src/engine/a.ts', text)])).toHaveLength(4)
    expect(forbiddenCode([source('src/main/a.ts', text)])).toEqual([expect.stringContaining('src/main/a.ts:2: throw new Error(')])
  })

  test('a registry, a machine path and a lockfile address are caught', () => {
    expect(foreignText('a.md', `see https://${['registry', 'npmjs'].join('.')}.org`)).toHaveLength(1)
    expect(foreignText('a.md', `hosts: ['*.${['pypi', 'org'].join('.')}']`)).toEqual([])
    expect(foreignText('a.md', `in ${['', 'work', 'main'].join('/')}`)).toHaveLength(1)
    expect(foreignText('a.md', 'in /workspace/main and ~/.pyenv')).toEqual([])
    expect(lockfileAddresses('"a": "http://host/a.tgz"')).toHaveLength(1)
  })

  test('strings and expressions that look like comments stay', () => {
    expect(withoutComments(`const a = 'http://x' // gone`).trimEnd()).toBe(`const a = 'http://x'`)
    expect(withoutComments(`const a = /['"]\\/\\//.test(b) // gone`).trimEnd()).toBe(`const a = /['"]\\/\\//.test(b)`)
    expect(withoutComments('a /* b\nc */ d').split('\n')).toHaveLength(2)
  })
})

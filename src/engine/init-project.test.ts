import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { parse } from 'smol-toml'
import { AGENTS } from '../agents/registry.ts'
import { isAppError, type AppError } from '../contract/errors.ts'
import { CONFIG_SHAPE } from '../contract/schemas/config-keys.ts'
import { LANGUAGES, MARKER_GRADES } from '../images/detect/languages.ts'
import { initProject, type InitProjectInput, sandboxNameFrom, sandboxNameProblem } from './init-project.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ak-init-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const run = (input: Partial<InitProjectInput> = {}) => initProject({ dir, entries: [], procfile: undefined, ...input })
const written = async (): Promise<string> => readFile(join(dir, 'agentkernel.toml'), 'utf8')

async function failure(input: Partial<InitProjectInput>): Promise<AppError> {
  try {
    await run(input)
  } catch (error) {
    if (isAppError(error)) return error
    throw error
  }
  throw new Error('it did not fail')
}

describe('initProject', () => {
  test('writes name, image and agent', async () => {
    const made = await run({ name: 'shop', agent: 'openai-codex', entries: [{ name: 'composer.json', isDirectory: false }] })
    expect(made).toEqual({
      path: join(dir, 'agentkernel.toml'),
      image: 'php:8.3-alpine',
      reason: 'a file composer.json says PHP',
    })
    expect(parse(await written())).toEqual({ sandbox: { name: 'shop', base_image: 'php:8.3-alpine' }, agent: { preferred: 'codex' } })
  })

  test('falls back to claude, the base image and the name of the directory', async () => {
    const sub = join(dir, 'My "Shop"\nund Café')
    await mkdir(sub)
    await run({ dir: sub })
    expect(parse(await readFile(join(sub, 'agentkernel.toml'), 'utf8'))).toEqual({
      sandbox: { name: 'My-Shop-und-Cafe', base_image: 'alpine:3.20' },
      agent: { preferred: 'claude' },
    })
  })

  test('asks the files before the Procfile', async () => {
    const procfile = 'web: mix phx.server'
    expect((await run({ procfile })).image).toBe('elixir:1.16-alpine')
    await rm(join(dir, 'agentkernel.toml'))
    expect((await run({ procfile, entries: [{ name: 'go.mod', isDirectory: false }] })).image).toBe('golang:1.23-alpine')
  })

  test('writes a valid file for every language and agent', async () => {
    const markers = LANGUAGES.flatMap((language) => MARKER_GRADES.flatMap((grade) => language.files[grade] ?? []))
    for (const [index, marker] of markers.entries()) {
      const agent = AGENTS[index % AGENTS.length]!
      const made = await run({ agent: agent.name, entries: [{ name: marker.replace('*', '\n"x'), isDirectory: false }] })
      expect(parse(await written())).toMatchObject({ sandbox: { base_image: made.image }, agent: { preferred: agent.name } })
      await rm(made.path)
    }
  })

  test('has examples that are valid once their mark is removed, with keys that exist', async () => {
    await run({ name: 'shop' })
    const uncommented = (await written()).replace(/^# (?=\[|\w+ = )/gm, '')
    const file = parse(uncommented)
    expect(file['resources']).toEqual({ vcpus: 2, memory_mb: 1024 })
    expect(file['security']).toEqual({ profile: 'restrictive', network: false })
    for (const [section, keys] of Object.entries(file)) {
      const shape = Object.entries(CONFIG_SHAPE.keys).find(([name]) => name === section)?.[1].shape
      const known = shape?.kind === 'table' ? Object.keys(shape.keys) : []
      expect([section, Object.keys(Object(keys)).filter((key) => !known.includes(key))]).toEqual([section, []])
    }
  })

  test.each([
    ['a file', (path: string) => writeFile(path, 'mine')],
    ['a directory', (path: string) => mkdir(path)],
    ['a broken link', (path: string) => symlink('/nonexistent/target', path)],
  ])('does not touch %s that is already there', async (_what, make) => {
    await make(join(dir, 'agentkernel.toml'))
    const error = await failure({})
    expect([error.code, error.message]).toEqual(['already_exists', `${dir}/agentkernel.toml is already there; it was not changed.`])
  })

  test('does not write through a link', async () => {
    const target = join(dir, 'target')
    await symlink(target, join(dir, 'agentkernel.toml'))
    expect((await failure({})).code).toBe('already_exists')
    expect(await readlink(join(dir, 'agentkernel.toml'))).toBe(target)
    expect(await readdir(dir)).toEqual(['agentkernel.toml'])
  })

  test('lets only one of many at once write', async () => {
    const results = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => run({ name: `n${index}` })))
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(1)
    expect(parse(await written())).toHaveProperty('sandbox.name')
  })

  test('says so when the directory is gone or is none', async () => {
    expect((await failure({ dir: join(dir, 'gone') })).code).toBe('workspace_unavailable')
    await writeFile(join(dir, 'file'), '')
    const error = await failure({ dir: join(dir, 'file') })
    expect([error.code, error.message]).toEqual(['workspace_unavailable', `${dir}/file/agentkernel.toml could not be written (ENOTDIR).`])
  })

  test.each([
    ['', 'it is empty', 'project'],
    ['a'.repeat(64), 'it has 64 characters, at most 63 are allowed', 'a'.repeat(63)],
    ['my shop', 'only the letters A-Z and a-z, digits, - and _ are allowed', 'my-shop'],
    ['café', 'only the letters A-Z and a-z, digits, - and _ are allowed', 'cafe'],
    ['a"\n[x]', 'only the letters A-Z and a-z, digits, - and _ are allowed', 'a-x'],
    ['-shop', 'it must start and end with a letter or a digit', 'shop'],
    ['shop_', 'it must start and end with a letter or a digit', 'shop'],
    ['a-_b', 'two separators (- or _) may not follow each other', 'a-b'],
    ['a__b', 'two separators (- or _) may not follow each other', 'a_b'],
  ])('refuses --name %j and writes nothing', async (name, rule, better) => {
    const error = await failure({ name })
    expect([error.code, error.fix]).toEqual(['invalid_argument', `Use another name, for example ${better}.`])
    expect(error.message).toEndWith(`is no sandbox name: ${rule}.`)
    expect(await readdir(dir)).toEqual([])
  })

  test('refuses an unknown agent with the nearest known', async () => {
    const error = await failure({ agent: 'cluade' })
    expect([error.code, error.message]).toEqual(['invalid_argument', '--agent "cluade" is no known agent; did you mean claude?'])
    expect(error.fix).toContain('claude, gemini, codex')
    expect(await readdir(dir)).toEqual([])
  })

  test('keeps the message short for huge values', async () => {
    const huge = '\0x'.repeat(500_000)
    expect((await failure({ agent: huge })).message.length).toBeLessThan(600)
    expect((await failure({ name: huge })).message.length).toBeLessThan(700)
  })
})

describe('sandboxNameFrom', () => {
  test.each([
    ['shop', 'shop'],
    ['My_Shop-2', 'My_Shop-2'],
    ['.dotfiles', 'dotfiles'],
    ['a  b..c', 'a-b-c'],
    ['_-a-_b-_', 'a-b'],
    ['Ünïcödé', 'Unicode'],
    ['日本語', 'project'],
    ['', 'project'],
    ['---', 'project'],
    [`${'a'.repeat(62)}-b`, 'a'.repeat(62)],
  ])('turns %j into %s', (text, name) => {
    expect(sandboxNameFrom(text)).toBe(name)
  })

  test('always makes a valid name, and leaves a valid one alone', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => sandboxNameProblem(sandboxNameFrom(text)) === undefined))
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{1,70}$/), (text) => {
        expect(sandboxNameFrom(text) === text).toBe(sandboxNameProblem(text) === undefined)
      }),
    )
  })
})

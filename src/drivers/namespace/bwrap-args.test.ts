import { describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { bwrapArgs, EMPTY_PATH, INIT_PATH } from './bwrap-args.ts'
import { PROC_COVERED_FILES, PROC_READ_ONLY } from './host-allowlist.ts'
import { OWN_FOLDER } from './host-root.ts'

const args = bwrapArgs({ terminal: false })
/** Where the words of one option and its values begin; -1 when they are not there. */
const position = (...words: readonly string[]): number => args.findIndex((_, i) => words.every((word, j) => args[i + j] === word))

describe("bubblewrap's arguments", () => {
  test.each(['user', 'pid', 'ipc', 'uts', 'cgroup'])('make a %s namespace', (name) => {
    expect(args).toContain(`--unshare-${name}`)
    expect(bwrapArgs({ terminal: true })).toContain(`--unshare-${name}`)
  })

  test('leave the network as it is: a namespace that bubblewrap makes would belong to the sandbox', () => {
    expect(args).not.toContain('--unshare-net')
    expect(args).not.toContain('--unshare-all')
  })

  test('leave no capability, no variable of ours, and nothing behind', () => {
    expect(position('--cap-drop', 'ALL')).toBeGreaterThanOrEqual(0)
    expect(args).not.toContain('--cap-add')
    expect(args).toContain('--clearenv')
    expect(args).toContain('--die-with-parent')
    expect(args.some((word) => word.startsWith('--share'))).toBe(false)
  })

  test('make nobody root inside', () => {
    for (const option of ['--uid', '--gid']) expect(Number(args[args.indexOf(option) + 1])).toBeGreaterThan(0)
  })

  test('take the command away from our terminal, unless it has one of its own', () => {
    expect(args).toContain('--new-session')
    expect(bwrapArgs({ terminal: true })).toEqual(args.filter((word) => word !== '--new-session'))
  })

  test.each([...PROC_READ_ONLY])('make /proc/%s read-only after /proc is there', (name) => {
    const expected = existsSync(`/proc/${name}`)
    expect(position('--ro-bind', `/proc/${name}`, `/proc/${name}`) > position('--proc', '/proc')).toBe(expected)
  })

  test.each([...PROC_COVERED_FILES])('cover /proc/%s after /proc is there', (name) => {
    expect(position('--ro-bind', EMPTY_PATH, `/proc/${name}`) > position('--proc', '/proc')).toBe(existsSync(`/proc/${name}`))
  })

  test('show the root as the helper made it, read-only', () => {
    expect(position('--dev-bind', '/', '/')).toBeGreaterThan(-1)
  })

  test.skipIf(Bun.which('bwrap') === null)('are those that the installed bubblewrap takes', () => {
    const known = Bun.spawnSync(['bwrap', '--help']).stdout.toString()
    for (const option of args.filter((word) => word.startsWith('--'))) expect(known).toContain(option)
  })
})

test('everything of ours is in one folder of the sandbox', () => {
  for (const path of [INIT_PATH, EMPTY_PATH]) expect(path).toStartWith(`/${OWN_FOLDER}/`)
})

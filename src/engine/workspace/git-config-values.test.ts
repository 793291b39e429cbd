import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { gitConfigValues } from './git-config-values.ts'

const hooks = (text: string): string[] =>
  gitConfigValues(text).flatMap(({ section, key, value }) => (section === 'core' && key === 'hookspath' ? [value] : []))

describe('a git configuration', () => {
  test.each([
    ['[core]\n\thooksPath = .ghooks\n', ['.ghooks']],
    ['[core]\n hooksPath = .ghooks # c\n', ['.ghooks']],
    ['[core]\n hooksPath=a ; c\n hooksPath = b\n', ['a', 'b']],
    ['[core] hooksPath = .ghooks', ['.ghooks']],
    ['[user] name = x\n[Core]\nHooksPath = "a b" ', ['a b']],
    ['[core]\nhooksPath = .gh\\\nooks\n', ['.ghooks']],
    ['[core]\nhooksPath = ".ghoo"ks\n', ['.ghooks']],
    ['[core]\nhooksPath = "a # b; \\"c\\" "\r\n', ['a # b; "c" ']],
    ['[a "b]"] [core] hooksPath = x', ['x']],
    ['# [core]\n; [core]\n[other]\nhooksPath = x', []],
  ])('%j sets %j', (text, expected) => {
    expect(hooks(text)).toEqual(expected)
  })

  test('of any kind is read without failing', () => {
    fc.assert(fc.property(fc.string(), (text) => Array.isArray(gitConfigValues(text))))
  })
})

import { describe, expect, test } from 'bun:test'
import { missingCommandHint } from './missing-command-hint.ts'

describe('missingCommandHint', () => {
  test('names the image that has the command', () => {
    expect(missingCommandHint('python3')).toBe(
      'python3 comes with the image python:3.12-alpine; running in images arrives with a later release.',
    )
    expect(missingCommandHint('/usr/bin/ruby')).toContain('ruby comes with the image ruby:3.3-alpine')
  })

  test('does not promise what the image lacks', () => {
    for (const command of ['pytest', 'python3.11', 'clang-15', 'composer', 'bash']) {
      expect(missingCommandHint(command)).toMatch(/^\S+ belongs to \S+, whose image is /)
    }
  })

  test('says nothing about a path in the project or an unknown command', () => {
    for (const argv0 of ['./gradlew', 'venv/bin/python3', 'frobnicate', '', '/', 'x'.repeat(1_000_000), 'node\0']) {
      expect(missingCommandHint(argv0)).toBeUndefined()
    }
  })
})

import { expect, test } from 'bun:test'
import { isAppError } from '../../contract/errors.ts'
import type { FoundFile } from './resolve.ts'
import { resolveFiles } from './resolve.ts'

function file(kind: FoundFile['kind'], text: string, trusted = true): FoundFile {
  const path = `/${kind}/agentkernel.toml`
  return { kind, path, shownAs: path, content: { text, realPath: path, sha256: kind }, trusted }
}
const USER = file(
  'user',
  'secret_files = ["DB"]\n[secrets]\nbackend = "env"\nA = "a.example"\nB = { host = ["b.example"], in = ["query"] }\n',
)

test('secrets of the config add up, and the higher file holds', () => {
  const project = file('project', 'secret_files = ["DB", "X"]\n[secrets]\nA = "other.example"\nbackend = "keychain"\n')
  expect(resolveFiles([USER, project], undefined).secrets).toEqual({
    backend: 'env',
    table: { A: 'other.example', B: { host: ['b.example'], in: ['query'] } },
    files: ['DB', 'X'],
  })
})

test('secrets of a project that is not trusted are inert', () => {
  const project = file('project', 'secret_files = ["X"]\n[secrets]\nA = "evil.example"\n', false)
  const { secrets, inertKeys } = resolveFiles([USER, project], undefined)
  expect([secrets?.table['A'], secrets?.files, inertKeys]).toEqual(['a.example', ['DB'], ['secrets', 'secret_files']])
})

test('what is wrong is told with the file and the name', () => {
  for (const text of ['A = "*.com"', 'B = { host = "b.example", methods = ["TRACE"] }', 'backend = "cloud"', '"a b" = "a.example"']) {
    let message = ''
    try {
      resolveFiles([file('user', `[secrets]\n${text}\n`)], undefined)
    } catch (error) {
      if (isAppError(error, 'config_invalid')) message = error.message
    }
    expect([text, message.startsWith('/user/agentkernel.toml')]).toEqual([text, true])
  }
})

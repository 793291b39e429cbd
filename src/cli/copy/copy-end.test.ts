import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { AppError } from '../../contract/errors.ts'
import { cp } from '../commands/sandbox/cp.ts'
import { parseCopyEnd } from './copy-end.ts'

const parse = (text: string) => parseCopyEnd(cp.spec, text)

describe('one side of a copy', () => {
  test('is of this machine when it has no colon, begins with . or /, or has a slash before the colon', () => {
    for (const path of ['a', './x:y', '/x:y', '../x:/y', 'a/b:c', '.hidden:x', '..']) expect(parse(path)).toEqual({ kind: 'host', path })
  })

  test('is in a sandbox when a name and an absolute path are given', () => {
    expect(parse('dev:/a/b')).toEqual({ kind: 'sandbox', name: 'dev', path: '/a/b', asFolder: false, contents: false })
    expect(parse('dev:/a//b/')).toEqual({ kind: 'sandbox', name: 'dev', path: '/a/b', asFolder: true, contents: false })
    expect(parse('dev:/a/.')).toEqual({ kind: 'sandbox', name: 'dev', path: '/a', asFolder: true, contents: true })
    expect(parse('dev:/')).toEqual({ kind: 'sandbox', name: 'dev', path: '/', asFolder: true, contents: false })
    expect(parse('dev:/a:b')).toMatchObject({ name: 'dev', path: '/a:b' })
  })

  test('is a stream when it is -', () => {
    expect(parse('-')).toEqual({ kind: 'stream' })
  })

  test.each(['x:y', 'x:', ':/y', '-x:/y', 'a b:/y', 'x:/../y', 'x:/a/..', 'x:/\0'])('%j is refused with what to write instead', (text) => {
    expect(() => parse(text)).toThrow(AppError)
  })

  test('never gives a path inside that leads upwards, whatever is typed', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', ':', '/', '.', '-', '\0', 'é') }), (text) => {
        try {
          const end = parse(text)
          if (end.kind === 'sandbox') expect(end.path.startsWith('/') && !end.path.split('/').includes('..')).toBe(true)
        } catch (error) {
          expect(error).toBeInstanceOf(AppError)
        }
      }),
    )
  })
})

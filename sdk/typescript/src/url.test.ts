import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { ValidationError } from './errors.ts'
import { filePath, queryString, route } from './url.ts'

const pathname = (path: string): string => new URL(path, 'http://host').pathname

describe('a route', () => {
  test('keeps each part one segment, whatever it holds', () => {
    expect(route('sandboxes', 'a/b?c#d e', 'start')).toBe('/sandboxes/a%2Fb%3Fc%23d%20e/start')
  })

  test('refuses parts that would name another route', () => {
    for (const part of ['', '.', '..']) expect(() => route('sandboxes', part, 'start')).toThrow(ValidationError)
    expect(() => route('sandboxes', undefined as unknown as string)).toThrow(ValidationError)
    expect(() => route('sandboxes', '\ud800')).toThrow(ValidationError)
  })

  test('is never resolved to another one by a URL parser', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (name) => {
        let path: string
        try {
          path = route('sandboxes', name, 'exec')
        } catch (error) {
          expect(error).toBeInstanceOf(ValidationError)
          return
        }
        const parts = pathname(path).split('/')
        expect(parts).toHaveLength(4)
        expect(decodeURIComponent(parts[2]!)).toBe(name)
      }),
    )
  })
})

describe('the path of a file', () => {
  test('may begin with slashes or not', () => {
    for (const path of ['app/main.py', '/app/main.py', '//app//main.py', './app/./main.py']) expect(filePath(path)).toBe('/app/main.py')
    expect(filePath('/')).toBe('/')
  })

  test('keeps characters that mean something in a URL', () => {
    expect(filePath('/a b/c?d#e%2f\\ü')).toBe('/a%20b/c%3Fd%23e%252f%5C%C3%BC')
  })

  test('may not climb, and may not be empty', () => {
    for (const path of ['..', '/a/../b', 'a/..', '../../sandboxes']) {
      expect(() => filePath(path)).toThrow(expect.objectContaining({ code: 'path_forbidden', status: 400 }))
    }
    expect(() => filePath('')).toThrow(ValidationError)
  })

  test('stays below its route in every URL parser', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', '.', '..', '%2e%2e', '', '\\', '..\\', ' '), { minLength: 1, maxLength: 6 }), (parts) => {
        const path = parts.join('/')
        if (path === '' || path.split('/').includes('..')) return
        expect(pathname(`/sandboxes/box/files${filePath(path)}`)).toStartWith('/sandboxes/box/files/')
      }),
    )
  })
})

describe('a query', () => {
  test('repeats the name of a list and leaves out what is undefined', () => {
    expect(queryString({ label: ['a:1', 'b:2 3'], project: undefined, follow: true, offset: 0 })).toBe(
      '?label=a%3A1&label=b%3A2%203&follow=true&offset=0',
    )
    expect(queryString({ label: [] })).toBe('')
  })
})

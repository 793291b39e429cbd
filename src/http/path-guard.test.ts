import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { isAppError } from '../contract/errors.ts'
import { guardPath } from './path-guard.ts'

const FORBIDDEN = ['/proc', '/sys', '/dev', '/etc/passwd', '/etc/shadow', '/etc/sudoers', '/root/.ssh']

const part = fc.oneof(
  fc.constantFrom('', '.', '..', '...', 'proc', 'sys', 'dev', 'etc', 'passwd', 'shadow', 'root', '.ssh', '..\\', '%2e%2e', '\0'),
  fc.string(),
  fc.string({ unit: 'grapheme' }),
)
const anyPath = fc.oneof(
  fc.array(part, { maxLength: 8 }).map((parts) => `/${parts.join('/')}`),
  fc.string(),
  fc.string({ unit: 'binary' }),
)

/** The plain path; undefined when it was refused as the contract says. */
function plainOf(path: string): string | undefined {
  try {
    return guardPath(path)
  } catch (error) {
    expect(isAppError(error, 'path_forbidden') || isAppError(error, 'invalid_argument')).toBe(true)
    return undefined
  }
}

describe('a path', () => {
  test.each([
    ['/', '/'],
    ['//', '/'],
    ['/a', '/a'],
    ['/a/', '/a'],
    ['//a//b/./c//', '/a/b/c'],
    ['/a/..b/...', '/a/..b/...'],
    ['/workspace/Ünï/日本 x', '/workspace/Ünï/日本 x'],
    ['/process', '/process'],
    ['/home/proc/sys', '/home/proc/sys'],
    ['/etc/passwd.bak', '/etc/passwd.bak'],
    ['/etc/hosts', '/etc/hosts'],
    ['/root/.sshx', '/root/.sshx'],
    ['/a\nb', '/a\nb'],
  ])('%j is plainly %j', (path, plain) => {
    expect(guardPath(path)).toBe(plain)
  })

  test.each(['', 'a', 'a/b', './a', '~/a', '..', '/..', '/a/..', '/a/../b', '/a/../../etc/hosts', '/../', '//..//a'])(
    '%j is refused',
    (path) => {
      expect(plainOf(path)).toBeUndefined()
    },
  )

  test.each([
    ...FORBIDDEN.flatMap((path) => [path, `${path}/`, `/${path}`, path.replaceAll('/', '//'), path.replaceAll('/', '/./'), `${path}/x/y`]),
    '/dev/shm/a',
  ])('%j is out of bounds', (path) => {
    expect(() => guardPath(path)).toThrow(/cannot be reached/)
  })

  test('with a NUL or of more than 4095 bytes is none', () => {
    expect(() => guardPath('/a\0b')).toThrow(/NUL/)
    expect(() => guardPath(`/${'é'.repeat(2048)}`)).toThrow(/longer than 4095/)
    expect(guardPath(`/${'a'.repeat(4094)}`)).toHaveLength(4095)
  })
})

describe('whatever text comes', () => {
  test('what passes is absolute, plain, within bounds, and passes again as it is', () => {
    fc.assert(
      fc.property(anyPath, (path) => {
        const plain = plainOf(path)
        if (plain === undefined) return
        expect(plain).toStartWith('/')
        expect(plain === '/' || !plain.endsWith('/')).toBe(true)
        const parts = plain.slice(1).split('/')
        if (plain !== '/') for (const each of parts) expect(['', '.', '..']).not.toContain(each)
        for (const place of FORBIDDEN) expect(plain === place || plain.startsWith(`${place}/`)).toBe(false)
        expect(guardPath(plain)).toBe(plain)
      }),
    )
  })

  test('it passes exactly when a resolution of names would stay out of the places that are out of bounds', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', '', '.', 'proc', 'etc', 'passwd', 'root', '.ssh'), { maxLength: 6 }), (parts) => {
        const resolved = new URL(`file:///${parts.filter((each) => each !== '').join('/')}`).pathname.replace(/(?<=.)\/$/, '')
        const inside = FORBIDDEN.some((place) => resolved === place || resolved.startsWith(`${place}/`))
        expect(plainOf(`/${parts.join('/')}`) === undefined).toBe(inside)
      }),
    )
  })
})

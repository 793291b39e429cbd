import { afterEach, beforeEach, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isAppError } from '../../contract/errors.ts'
import { readConfigFile } from './read-file.ts'

let dir: string
let path: string
const options = { shownAs: 'agentkernel.toml' }

beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'agentkernel-read-')))
  path = join(dir, 'agentkernel.toml')
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function failureOf(read: () => unknown): string {
  try {
    read()
  } catch (error) {
    if (isAppError(error, 'config_invalid')) return error.message
    throw error
  }
  return 'no failure'
}

const bad: readonly (readonly [name: string, make: (path: string) => void, problem: string])[] = [
  ['more than 1 MiB', (at) => writeFileSync(at, '#'.repeat(1024 ** 2 + 1)), 'is too large; a config file may have 1 MiB'],
  ['NUL bytes', (at) => writeFileSync(at, 'a = "\0"'), 'is not a text file: it holds NUL bytes'],
  ['not UTF-8', (at) => writeFileSync(at, new Uint8Array([0x61, 0xff, 0xfe])), 'is not a text file: it is not valid UTF-8'],
  ['a directory', (at) => mkdirSync(at), 'is a directory, not a file'],
  ['a FIFO', (at) => void Bun.spawnSync(['mkfifo', at]), 'is a FIFO, not a file'],
  ['a device', (at) => symlinkSync('/dev/null', at), 'is a socket or a device, not a file'],
  ['a link to nothing', (at) => symlinkSync('nothing', at), 'is a symbolic link to a file that does not exist'],
  ['a link to itself', (at) => symlinkSync('agentkernel.toml', at), 'is a symbolic link that leads back to itself'],
]
for (const [name, make, problem] of bad) {
  test(`${name} is refused in one sentence`, () => {
    make(path)
    expect(failureOf(() => readConfigFile(path, options))).toBe(`agentkernel.toml: ${problem}`)
  })
}

test('a socket is refused in one sentence', () => {
  const server = Bun.listen({ unix: path, socket: { data: () => {} } })
  const message = failureOf(() => readConfigFile(path, options))
  server.stop(true)
  expect(message).toBe('agentkernel.toml: is a socket or a device, not a file')
})

test('a file that may not be read is refused in one sentence', () => {
  writeFileSync(path, '')
  chmodSync(path, 0)
  chmodSync(dir, 0o755)
  // Root may read everything, so another user tries.
  const script = `
    const { readConfigFile } = await import(${JSON.stringify(join(import.meta.dir, 'read-file.ts'))})
    if (process.geteuid() === 0) process.seteuid(65534)
    try { readConfigFile(${JSON.stringify(path)}, ${JSON.stringify(options)}) } catch (error) { console.log(error.message) }`
  expect(Bun.spawnSync([process.execPath, '-e', script]).stdout.toString().trim()).toBe(
    'agentkernel.toml: cannot be read: permission denied',
  )
})

test('no file is no error', () => {
  expect(readConfigFile(path, options)).toBeUndefined()
  writeFileSync(path, '')
  expect(readConfigFile(join(path, 'below-a-file'), options)).toBeUndefined()
})

test('what is hashed is what is parsed', () => {
  writeFileSync(path, '\ufeffa = 1')
  expect(readConfigFile(path, options)).toEqual({
    realPath: path,
    text: 'a = 1',
    sha256: new Bun.CryptoHasher('sha256').update('\ufeffa = 1').digest('hex'),
  })
})

test('a file of exactly 1 MiB is read whole, and so is one whose size the kernel does not tell', () => {
  writeFileSync(path, '#'.repeat(1024 ** 2))
  expect(readConfigFile(path, options)?.text).toHaveLength(1024 ** 2)
  expect(readConfigFile('/proc/self/status', options)?.text).toContain('VmRSS')
})

test('a link may lead anywhere, or nowhere out of a given directory', () => {
  mkdirSync(join(dir, 'project'))
  writeFileSync(path, 'a = 1')
  writeFileSync(join(dir, 'project/real.toml'), 'b = 1')
  symlinkSync(path, join(dir, 'project/out.toml'))
  symlinkSync('real.toml', join(dir, 'project/in.toml'))
  const within = join(dir, 'project')
  expect(readConfigFile(join(within, 'out.toml'), options)?.realPath).toBe(path)
  expect(failureOf(() => readConfigFile(join(within, 'out.toml'), { ...options, within }))).toBe(
    'agentkernel.toml: is a symbolic link that leads out of the project',
  )
  expect(readConfigFile(join(within, 'in.toml'), { ...options, within })?.text).toBe('b = 1')
})

import { describe, expect, test } from 'bun:test'
import { mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AgentProcess, startAgent } from '../../test/support/agent-process.ts'
import { failure } from '../../test/support/guest-peer.ts'

/** The real agent and its files: its root is this machine's. */
const withAgent = (test: (agent: AgentProcess & { readonly at: (name: string) => string }) => Promise<void>) => async () => {
  await using agent = await startAgent()
  const work = join(agent.folder, 'work')
  mkdirSync(work)
  await test({ ...agent, at: (name) => join(work, name) })
}

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(chunks))
}

async function* yields(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts
}

const noise = (bytes: number): Buffer => {
  const block = crypto.getRandomValues(new Uint8Array(65_536))
  return Buffer.concat(Array.from({ length: Math.ceil(bytes / block.length) }, () => block)).subarray(0, bytes)
}

describe('files of the agent', () => {
  test(
    'are written and read, whole and in part',
    withAgent(async ({ guest, at }) => {
      const content = noise(3_000_001)
      expect(
        await guest.write(at('deep/er/f'), yields(content.subarray(0, 10), content.subarray(10)), { parents: true, mode: 0o600 }),
      ).toBe(content.length)
      expect(readFileSync(at('deep/er/f')).equals(content)).toBe(true)
      expect(statSync(at('deep/er/f')).mode & 0o777).toBe(0o600)
      const whole = await guest.read(at('deep/er/f'))
      expect(whole.entry).toMatchObject({ name: 'f', path: at('deep/er/f'), type: 'file', size: content.length, mode: 0o600 })
      expect((await bytesOf(whole.bytes)).equals(content)).toBe(true)
      const part = await guest.read(at('deep/er/f'), { offset: 1_000_000, length: 777_777 })
      expect((await bytesOf(part.bytes)).equals(content.subarray(1_000_000, 1_777_777))).toBe(true)
      expect(await guest.write(at('deep/er/f'), yields(Buffer.from('XY')), { offset: 1 })).toBe(2)
      expect(readFileSync(at('deep/er/f')).subarray(0, 4)).toEqual(
        Buffer.concat([content.subarray(0, 1), Buffer.from('XY'), content.subarray(3, 4)]),
      )
    }),
  )

  test(
    'keep their old content until the new one is there, and when that never comes',
    withAgent(async ({ guest, at }) => {
      writeFileSync(at('f'), 'old')
      const abort = new AbortController()
      const asked = Promise.withResolvers<void>()
      async function* endless(): AsyncGenerator<Uint8Array> {
        yield Buffer.from('new')
        asked.resolve()
        await new Promise(() => undefined)
      }
      const writing = failure(guest.write(at('f'), endless(), {}, abort.signal))
      await asked.promise
      expect(readFileSync(at('f'), 'utf8')).toBe('old')
      abort.abort()
      expect(await writing).toBe('canceled')
      expect(readFileSync(at('f'), 'utf8')).toBe('old')
    }),
  )

  test(
    'are told about, listed, moved, changed and removed',
    withAgent(async ({ guest, at }) => {
      await guest.mkdir(at('a/b'), { parents: true })
      writeFileSync(at('a/f'), 'abc')
      symlinkSync('f', at('a/link'))
      expect(await guest.stat(at('a/link'))).toMatchObject({ type: 'file', size: 3 })
      expect(await guest.stat(at('a/link'), { follow: false })).toMatchObject({ type: 'symlink', target: 'f' })
      const list = await guest.list(at('a'))
      expect(list.map(({ name, type }) => `${name} ${type}`).toSorted()).toEqual(['b dir', 'f file', 'link symlink'])
      await guest.chmod(at('a/f'), 0o640)
      expect((await guest.stat(at('a/f'))).mode).toBe(0o640)
      await guest.move(at('a/f'), at('a/g'))
      expect(await failure(guest.stat(at('a/f')))).toBe('file_not_found')
      writeFileSync(at('a/h'), 'other')
      expect(await failure(guest.move(at('a/g'), at('a/h'), { overwrite: false }))).toBe('file_exists')
      expect(await failure(guest.remove(at('a')))).toBe('file_exists')
      await guest.remove(at('a'), { recursive: true })
      expect(await failure(guest.stat(at('a')))).toBe('file_not_found')
    }),
  )

  test(
    'are refused with a reason of ours',
    withAgent(async ({ guest, at }) => {
      mkdirSync(at('d'))
      expect(await failure(guest.read(at('none')))).toBe('file_not_found')
      expect(await failure(guest.read(at('d')))).toBe('invalid_argument')
      expect(await failure(guest.read('/proc/1/environ'))).toBe('path_forbidden')
      expect(await failure(guest.stat('relative'))).toMatch(/invalid_argument|path_forbidden/)
      expect(await failure(guest.mkdir(at('d')))).toBe('file_exists')
      expect(await failure(guest.write(at('none/f'), yields(Buffer.from('x'))))).toBe('file_not_found')
    }),
  )

  test(
    'of a large folder are all listed',
    withAgent(async ({ guest, at }) => {
      mkdirSync(at('many'))
      for (let index = 0; index < 1_200; index++) writeFileSync(at(`many/${index}`), '')
      expect(await guest.list(at('many'))).toHaveLength(1_200)
    }),
  )

  test(
    'that a reader leaves in the middle hold nothing up',
    withAgent(async ({ guest, at }) => {
      writeFileSync(at('f'), noise(4 << 20))
      for (let round = 0; round < 300; round++) {
        for await (const chunk of (await guest.read(at('f'))).bytes) {
          expect(chunk.length).toBeGreaterThan(0)
          break
        }
      }
      expect((await guest.stat(at('f'))).size).toBe(4 << 20)
    }),
  )
})

describe('a folder of the agent', () => {
  test(
    'comes out as a tar stream and goes in again',
    withAgent(async ({ guest, at }) => {
      const content = noise(1_500_000)
      mkdirSync(at('from/sub'), { recursive: true })
      writeFileSync(at('from/sub/f'), content)
      symlinkSync('sub/f', at('from/link'))
      const { files } = await guest.tarIn(at('to'), await guest.tarOut(at('from')))
      expect(files).toBeGreaterThan(0)
      expect(readFileSync(at('to/from/sub/f')).equals(content)).toBe(true)
      expect(readFileSync(at('to/from/link')).equals(content)).toBe(true)
    }),
  )

  test(
    'that is not there, and a stream that is no tar, are refused',
    withAgent(async ({ guest, at }) => {
      expect(await failure(guest.tarOut(at('none')))).toBe('file_not_found')
      expect(await failure(guest.tarIn(at('to'), yields(noise(10_000))))).toBe('invalid_argument')
    }),
  )

  test(
    'is watched until somebody has seen enough',
    withAgent(async ({ guest, at }) => {
      mkdirSync(at('w'))
      const abort = new AbortController()
      const watch = guest.watch(at('w'), { recursive: true }, abort.signal)
      await watch.ready
      const seen = watch[Symbol.asyncIterator]()
      writeFileSync(at('w/f'), 'x')
      expect((await seen.next()).value).toEqual({ kind: 'created', path: at('w/f') })
      rmSync(at('w/f'))
      for (;;) {
        const { value } = await seen.next()
        if (value?.kind === 'removed') break
      }
      abort.abort()
      // What happened before may still be told.
      for (let step = await seen.next(); step.done !== true; step = await seen.next());
    }),
  )
})

describe('a port of the agent', () => {
  test(
    'is a connection to whoever listens there, in both directions',
    withAgent(async ({ guest }) => {
      const server = Bun.listen({
        hostname: '127.0.0.1',
        port: 0,
        socket: {
          data: (socket, bytes) => {
            socket.write(`you said ${bytes.toString()}`)
            socket.end()
          },
        },
      })
      const port = await guest.connectPort({ port: server.port })
      expect(await port.write(Buffer.from('hello'))).toBe(true)
      expect((await bytesOf(port.input)).toString()).toBe('you said hello')
      port.end()
      await port.closed
      server.stop(true)
      expect(await failure(guest.connectPort({ port: server.port }))).toBe('not_found')
    }),
  )
})

import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { runCli } from './app.ts'
import { readCast } from './asciicast.ts'
import { openRecording, recordingPath } from './recording.ts'
import { recordingContext } from './recording-context.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'recording-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

async function cli(...argv: readonly string[]) {
  const { context, stdout, stderr } = recordingContext()
  return { exit: await runCli(argv, context), stdout: stdout(), stderr: stderr() }
}
const cast = (...lines: readonly unknown[]): string => {
  const path = join(folder, 'session.cast')
  writeFileSync(path, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'))
  return path
}
const HEADER = { version: 2, width: 80, height: 24 }

describe('a recording', () => {
  test('holds what was shown, whole characters only, and is the user’s alone', () => {
    const path = join(folder, 'x.cast')
    const recording = openRecording(path, { name: 'dev', shell: '/bin/sh' }, recordingContext().context)
    recording.began({ cols: 100, rows: 30 })
    const bytes = new TextEncoder().encode('é\x1b[1m')
    recording.wrote(bytes.subarray(0, 1))
    recording.wrote(bytes.subarray(1))
    recording.resized(90, 20)
    recording.close()
    const [header, ...events] = [...readCast(path)]
    expect(header).toMatchObject({ width: 100, height: 30, title: 'dev' })
    expect(events).toMatchObject([
      { kind: 'o', data: 'é\x1b[1m' },
      { kind: 'r', data: '90x20' },
    ])
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  test('never overwrites a file', () => {
    const path = cast(HEADER)
    expect(() => openRecording(path, { name: 'dev', shell: 'sh' }, recordingContext().context)).toThrow('exists already')
    expect(readFileSync(path, 'utf8')).toBe(JSON.stringify(HEADER))
  })

  test('gets a name of sandbox and time in a directory, which is made when it ends in a slash', () => {
    const began = new Date(2026, 10, 2, 3, 4, 5)
    mkdirSync(join(folder, 'there'))
    expect(recordingPath(join(folder, 'there'), 'dev', began)).toBe(join(folder, 'there/dev-20261102-030405.cast'))
    expect(recordingPath(`${folder}/new/`, 'dev', began)).toBe(join(folder, 'new/dev-20261102-030405.cast'))
    expect(recordingPath(join(folder, 'file'), 'dev', began)).toBe(join(folder, 'file'))
  })
})

describe('replay', () => {
  test('plays output only, and says what it plays on stderr', async () => {
    const path = cast(
      { ...HEADER, title: 'my\x1b[2Jbox' },
      [0, 'o', 'a'],
      [0.001, 'i', 'typed'],
      [0.002, 'r', '10x10'],
      [0.003, 'o', 'b'],
      '',
    )
    const { exit, stdout, stderr } = await cli('replay', path)
    expect([exit, stdout]).toEqual([0, 'ab'])
    expect(stderr).toBe('agentkernel: playing my\\x1b[2Jbox, 80x24, 0s, 2 pieces of output\nagentkernel: the recording ends here\n')
  })

  test('shortens pauses', async () => {
    const path = cast(HEADER, [0, 'o', 'a'], [100_000, 'o', 'b'])
    expect(await cli('replay', '--max-idle', '0', path)).toMatchObject({ exit: 0, stdout: 'ab' })
    expect(await cli('replay', '--max-idle', '0.5', '-s', '1000', path)).toMatchObject({ exit: 0, stdout: 'ab' })
  })

  test('with --json says what the recording is', async () => {
    const { exit, stdout } = await cli('replay', '--json', cast({ ...HEADER, timestamp: 5 }, [0, 'o', 'a'], [2.5, 'o', 'b']))
    expect([exit, JSON.parse(stdout)]).toEqual([0, { version: 2, width: 80, height: 24, timestamp: 5, events: 2, duration_seconds: 2.5 }])
  })

  const wrong: readonly (readonly [readonly unknown[], string])[] = [
    [[''], 'no recording'],
    [['nonsense'], 'line 1: no JSON'],
    [[{ version: 3, width: 1, height: 1 }], 'line 1: version "3"'],
    [[[0, 'o', 'a']], 'line 1: a recording begins'],
    [[{ version: 2, width: 0, height: 1 }], 'width and height'],
    [[HEADER, [0, 'o']], 'line 2: an event is an array'],
    [[HEADER, [-1, 'o', '']], 'line 2: the time'],
    [[HEADER, [0, 'o', 'shown?'], [1, 'o', 5]], 'line 3: kind and data'],
    [[HEADER, '[0, "o", "cut o'], 'line 2: no JSON'],
  ]
  test.each(wrong)('%j is refused before anything is shown', async (lines, reason) => {
    const { exit, stdout, stderr } = await cli('replay', cast(...lines))
    expect([exit, stdout, stderr]).toEqual([1, '', expect.stringContaining(reason)])
  })

  test('bounds a line', async () => {
    const path = join(folder, 'long.cast')
    writeFileSync(path, `${JSON.stringify(HEADER)}\n`)
    writeFileSync(path, Buffer.alloc(17 * 1024 ** 2, 'a'), { flag: 'a' })
    expect((await cli('replay', path)).stderr).toContain('a line of more than 16 MiB')
    expect((await cli('replay', folder)).exit).toBe(1)
    expect((await cli('replay', join(folder, 'missing'))).exit).toBe(1)
  })

  test('reads any file to its end or to an error of ours', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json().map((text) => `${JSON.stringify(HEADER)}\n${text}`),
        ),
        (text) => {
          const path = join(folder, 'any')
          writeFileSync(path, text)
          try {
            for (const line of readCast(path)) expect(line).toBeDefined()
          } catch (error) {
            expect(error).toMatchObject({ code: 'config_invalid' })
          }
        },
      ),
    )
  })
})

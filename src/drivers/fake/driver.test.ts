import { describe, expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { exitOf, withKit } from '../../../test/conformance/kit.ts'
import { makeSpec } from '../../../test/conformance/make-spec.ts'
import { createFakeDriver } from './index.ts'
import { parseScript } from './script.ts'

const never = new AbortController().signal

describe('the fake driver', () => {
  test('prints and ends as it was told, whatever the command', async () => {
    await withKit(createFakeDriver({ exitCode: 3, output: 'told\n' }), async ({ run }) => {
      const { outcome, stdout } = await run({ command: ['anything'] })
      expect(exitOf(outcome)).toEqual({ ended: 'exited', status: 3 })
      expect(stdout.toString()).toBe('told\n')
    })
  })

  test('fails to start with the code it was told', async () => {
    await withKit(createFakeDriver({ failStart: 'disk_full' }), async ({ refused }) => {
      expect(await refused({ command: ['true'] })).toBe('disk_full')
    })
  })

  test('says why it is unusable, in the probe and in the run', async () => {
    const driver = createFakeDriver({ unusable: 'no such machine' })
    expect(await driver.probe(never)).toEqual({
      usable: false,
      findings: [{ check: 'pretended sandbox', status: 'error', detail: 'no such machine' }],
    })
    await withKit(driver, async ({ refused }) => expect(await refused({ command: ['true'] })).toBe('backend_unavailable'))
  })

  test('is killed by a signal or for want of memory', async () => {
    await withKit(createFakeDriver({ killedBy: 11 }), async ({ run }) => {
      expect(exitOf((await run({ command: ['x'] })).outcome)).toEqual({ ended: 'signaled', signal: 11 })
    })
    await withKit(createFakeDriver({ killedBy: 'memory' }), async ({ run }) => {
      const { outcome } = await run({ command: ['x'], permissions: { memoryBytes: 1000 } })
      expect(outcome).toEqual({ ended: 'out_of_memory', memoryPeakBytes: 1000, notices: [] })
    })
  })

  test('hangs until a signal, its time limit or the caller ends it', async () => {
    await withKit(createFakeDriver({ hangUntilSignal: true }), async ({ start }) => {
      const [signaled, limited, abandoned] = [start({ command: ['x'] }), start({ command: ['x'], timeoutMs: 1 }), start({ command: ['x'] })]
      await signaled.send('SIGHUP')
      abandoned.abort()
      expect(exitOf((await signaled.done).outcome)).toEqual({ ended: 'signaled', signal: 1 })
      expect((await limited.done).outcome.ended).toBe('timed_out')
      expect((await abandoned.done).outcome.ended).toBe('canceled')
    })
  })

  test('waits before the start with the timer it is given', async () => {
    const waits: number[] = []
    const wait = (ms: number): Promise<void> => {
      waits.push(ms)
      return Promise.resolve()
    }
    await withKit(createFakeDriver({ startDelayMs: 5000, wait }), async ({ run }) => {
      await run({ command: ['sleep', '7'] })
      expect(waits).toEqual([5000, 7000])
    })
  })

  test('can be canceled while it waits to start', async () => {
    await withKit(createFakeDriver({ startDelayMs: 1_000_000 }), async ({ start }) => {
      const running = start({ command: ['true'] })
      running.abort()
      expect((await running.done).outcome.ended).toBe('canceled')
    })
  })

  test('a trace stays until recovered, once, and never that of a live run', async () => {
    const driver = createFakeDriver({ leaveTrace: true })
    await withKit(driver, async ({ run, start }) => {
      await run({ command: ['true'] })
      const running = start({ command: ['cat'] })
      await running.started
      expect(driver.traces()).toHaveLength(2)
      expect(await driver.recover(never)).toBe(1)
      expect(driver.traces()).toEqual(driver.running())
      running.endInput()
      await running.done
      expect(await driver.recover(never)).toBe(1)
      expect(await driver.recover(never)).toBe(0)
    })
  })

  test('tells which specs it saw and which runs go on', async () => {
    const driver = createFakeDriver()
    await withKit(driver, async ({ start }) => {
      const running = start({ command: ['cat'] })
      await running.started
      expect(driver.running()).toEqual(driver.seen().map((spec) => spec.id))
      running.endInput()
      await running.done
      expect(driver.running()).toEqual([])
      expect(driver.seen().map((spec) => spec.command)).toEqual([['cat']])
    })
  })

  test('adds the fields of the outcome and the facts it was given', async () => {
    const driver = createFakeDriver({ outcome: { changedFiles: 2, notices: ['weak'] }, facts: { isolation: 'vm' } })
    expect(driver.facts.isolation).toBe('vm')
    await withKit(driver, async ({ run }) => {
      expect((await run({ command: ['true'] })).outcome).toEqual({ ended: 'exited', status: 0, changedFiles: 2, notices: ['weak'] })
    })
  })

  test('can be canceled while nobody reads its output', async () => {
    await withKit(createFakeDriver({ output: new Uint8Array(4_000_000) }), async ({ start }) => {
      const running = start({ command: ['x'] })
      await running.stdout.abandon()
      running.abort()
      expect(['canceled', 'signaled']).toContain((await running.done).outcome.ended)
    })
  })

  test('leaves no descriptor open, however a run ends', async () => {
    const count = (): number => readdirSync('/proc/self/fd').length
    const round = async (): Promise<void> => {
      await withKit(createFakeDriver(), async ({ run, start, refused }) => {
        await run({ command: ['cat'] }, new Uint8Array(200_000))
        await refused({ command: ['missing'] })
        const running = start({ command: ['cat'] })
        await running.started
        running.abort()
        await running.done
      })
    }
    await round()
    const before = count()
    const rounds = 20
    for (let i = 0; i < rounds; i++) await round()
    // A descriptor may still be closing; one left in each round would make twenty.
    expect(count()).toBeLessThan(before + rounds / 2)
  })

  test('speaks through a terminal when it is given one', async () => {
    const shown: Uint8Array[] = []
    const controller = new AbortController()
    const io = {
      stdin: -1,
      stdout: -1,
      stderr: -1,
      onNotice: () => undefined,
      terminal: {
        cols: 80,
        rows: 24,
        onOutput: (bytes: Uint8Array) => {
          shown.push(bytes)
          controller.abort()
        },
        onReady: (terminal: { readonly write: (bytes: Uint8Array) => void }) => terminal.write(Buffer.from('typed')),
      },
    }
    const outcome = await createFakeDriver().runOnce(makeSpec({ command: ['cat'] }), io, controller.signal)
    expect(Buffer.concat(shown).toString()).toBe('typed')
    expect(outcome.ended).toBe('canceled')
  })
})

describe('parseScript', () => {
  test('splits commands, keeps quotes together and sees what goes where', () => {
    expect(parseScript(`trap "echo x; exit 7" INT; printf 'a b'c >&2\nsleep 5 & wait`)).toEqual([
      { words: ['trap', 'echo x; exit 7', 'INT'], background: false, toError: false },
      { words: ['printf', 'a bc'], background: false, toError: true },
      { words: ['sleep', '5'], background: true, toError: false },
      { words: ['wait'], background: false, toError: false },
    ])
  })
})

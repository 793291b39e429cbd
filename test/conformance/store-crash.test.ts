import { Database } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { join } from 'node:path'
import { openSqliteStore } from '../../src/store/sandboxes/sqlite.ts'
import type { SandboxStore } from '../../src/store/sandboxes/store.ts'
import { inFolder } from './store-kit.ts'
import { CHURNED } from './store-writer.ts'

const WRITER = join(import.meta.dir, 'store-writer.ts')
const KILLS = 12
const LIMIT_MS = 60_000

function startWriter(...words: readonly string[]) {
  return Bun.spawn([process.execPath, WRITER, ...words], { stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' })
}

/** The lines a writer prints, each whole. */
async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}

/** Lets a writer say so many things, kills it, and answers the last number that it said. */
async function killAfter(path: string, lines: number): Promise<number> {
  const writer = startWriter(path, 'churn')
  try {
    let last = 0
    let heard = 0
    for await (const line of linesOf(writer.stdout)) {
      last = Number(line)
      if (++heard === lines) writer.kill('SIGKILL')
    }
    expect(heard).toBeGreaterThanOrEqual(lines)
    return last
  } finally {
    writer.kill('SIGKILL')
    await writer.exited
  }
}

function problemsOf(store: SandboxStore): string[] {
  return store
    .list()
    .filter(({ description, labels }) => description !== labels['mark'])
    .map((record) => `${record.name} was changed by half`)
}

describe('a store whose process is killed in the middle of writing', () => {
  test(
    'is whole, and has everything that was promised, each of many times',
    async () => {
      await inFolder(async (folder) => {
        const path = join(folder, 'sandboxes.db')
        for (let round = 0; round < KILLS; round++) {
          // Early and late: while tables are made, and after the log was copied into the file.
          const promised = await killAfter(path, 1 + Math.floor(Math.random() * (round % 3 === 0 ? 3 : 400)))
          const store = openSqliteStore(path, () => new Date())
          try {
            expect(problemsOf(store)).toEqual([])
            expect(store.lastEventSeq()).toBeGreaterThanOrEqual(promised)
            const events = store.eventsAfter(0, 10_000)
            expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1))
            expect(store.list().length).toBeLessThanOrEqual(CHURNED)
            // The sandbox of the last event is as that event says: or the next change of it was already made.
            const { sandbox, metadata, seq } = events[promised - 1]!
            const later = events.slice(seq).some((event) => event.sandbox === sandbox)
            const mark = store.byName(sandbox)?.description
            if (!later && mark !== undefined)
              expect(Number(mark!.slice(1))).toBeGreaterThanOrEqual(Number(String(metadata['mark']).slice(1)))
          } finally {
            store.close()
          }
          using raw = new Database(path, { readonly: true })
          expect(raw.query('PRAGMA integrity_check').values()).toEqual([['ok']])
        }
      })
    },
    LIMIT_MS,
  )
})

describe('a store whose process is killed while it makes the tables', () => {
  test(
    'is opened like any other',
    async () => {
      for (let round = 0; round < KILLS; round++) {
        await inFolder(async (folder) => {
          const path = join(folder, 'sandboxes.db')
          const watcher = watch(folder)
          const made = once(watcher, 'change')
          const writer = startWriter(path, 'append', '1')
          try {
            await made
          } finally {
            watcher.close()
            writer.kill('SIGKILL')
            await writer.exited
          }
          const store = openSqliteStore(path, () => new Date())
          expect(store.list()).toEqual([])
          store.close()
        })
      }
    },
    LIMIT_MS,
  )
})

describe('several processes with one store', () => {
  test(
    'that open it for the first time at the same moment all get it, and number events together',
    async () => {
      await inFolder(async (folder) => {
        const path = join(folder, 'data', 'sandboxes.db')
        const writers = Array.from({ length: 4 }, () => startWriter(path, 'append', '50'))
        const said = await Promise.all(writers.map(async (writer) => Array.fromAsync(linesOf(writer.stdout), Number)))
        expect(await Promise.all(writers.map((writer) => writer.exited))).toEqual([0, 0, 0, 0])
        expect(said.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, index) => index + 1))
        for (const numbers of said) expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
        const store = openSqliteStore(path, () => new Date())
        expect(store.eventsAfter(0, 1_000).map((event) => event.seq)).toHaveLength(200)
        store.close()
      })
    },
    LIMIT_MS,
  )
})

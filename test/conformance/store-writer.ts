/**
 * A process that writes to a store: `bun store-writer.ts PATH MODE`. Each line it prints is something the store has promised to keep.
 *
 * - `churn` makes, changes and deletes sandboxes and appends events until it is killed. Prints the number of each event.
 * - `append COUNT` appends so many events. Prints their numbers.
 * - `fill` adds sandboxes until the disk is full. Prints each name, then the code of the failure; reads a line, adds one more,
 *   and prints how many there are.
 */
import { writeSync } from 'node:fs'
import { isAppError } from '../../src/contract/errors.ts'
import { openSqliteStore } from '../../src/store/sandboxes/sqlite.ts'
import type { SandboxStore } from '../../src/store/sandboxes/store.ts'
import { eventOf, recordOf } from './store-kit.ts'

/** How many sandboxes `churn` has at most. */
export const CHURNED = 20

if (import.meta.main) {
  const [path = '', mode = '', count = '0'] = process.argv.slice(2)
  const store = openSqliteStore(path, () => new Date())
  if (mode === 'churn') churn(store)
  if (mode === 'append')
    for (let index = 0; index < Number(count); index++) say(store.appendEvent(eventOf('e', { sandbox: String(process.pid) })).seq)
  if (mode === 'fill') await fill(store)
  store.close()
}

function say(what: string | number): void {
  writeSync(1, `${what}\n`)
}

/** Two fields of each sandbox always change together, and its event tells what they were changed to. */
function churn(store: SandboxStore): void {
  for (let index = store.lastEventSeq(); ; index++) {
    const name = `s${index % CHURNED}`
    const found = store.byName(name)
    if (found !== undefined && index % 3 === 0) store.delete(found.id)
    const mark = `m${index}`
    const change = { description: mark, labels: { mark }, spec: JSON.stringify({ padding: 'x'.repeat(index % 9_000) }) }
    if (store.byName(name) === undefined) store.insert(recordOf(name, change))
    else store.update(found!.id, change)
    say(store.appendEvent(eventOf('changed', { sandbox: name, metadata: { mark } })).seq)
  }
}

async function fill(store: SandboxStore): Promise<void> {
  const padded = (name: string) => recordOf(name, { spec: JSON.stringify({ padding: 'x'.repeat(3_000) }) })
  for (let index = 0; ; index++) {
    try {
      store.insert(padded(`s${index}`))
      say(`s${index}`)
    } catch (error) {
      say(isAppError(error) ? error.code : String(error))
      break
    }
  }
  // The test makes room, and says so.
  for await (const _ of console) break
  store.insert(padded('after'))
  say('after')
  say(store.list().length)
}

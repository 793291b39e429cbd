import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { refusal } from '../../../test/conformance/sandbox-kit.ts'
import { identityOf, isAlive, type ProcessIdentity } from './process.ts'
import { endShim, type ShimOrders, startShim } from './shim.ts'

const helper = join(import.meta.dir, '../../../build/agentkernel-guest')
const { signal } = new AbortController()

let base: string
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'shim-')))
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

/** A program that is started as a shim, in place of the real one. */
function program(script: string): ShimOrders {
  const path = join(base, 'program')
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
  return { runtime_dir: base, log_dir: base, sandbox: 'x', helper: path, mode: 'none', version: '0.0.0' }
}

/** Starts it and says who it was and how that went. */
async function start(orders: ShimOrders, given = signal): Promise<{ who: ProcessIdentity | undefined; code: string }> {
  let who: ProcessIdentity | undefined
  const code = await refusal(() => startShim({ orders, signal: given, onSpawned: (identity) => void (who = identity) }))
  return { who, code }
}

const READY = `echo '{"started":true}' >&4; echo '{"ready":true}' >&4; exec 4>&-`

describe('starting a shim', () => {
  test('resolves with what it reported when it is ready, and leaves it running', async () => {
    const orders = program(`${READY}; exec sleep 1000`)
    let who: ProcessIdentity | undefined
    const lines = await startShim({ orders, signal, onSpawned: (identity) => void (who = identity) })
    expect(lines).toEqual([{ started: true }, { ready: true }])
    expect(isAlive(who!)).toBe(true)
    process.kill(who!.pid, 'SIGKILL')
  })

  test('gives it its orders, however long, and nothing of our environment', async () => {
    const file = join(base, 'orders')
    const orders = { ...program(`cat <&3 > ${file}; env > ${base}/env; ${READY}`), plan: { long: 'x'.repeat(300_000) } }
    expect((await start(orders)).code).toBe('no error')
    const bytes = readFileSync(file)
    expect(bytes.readUInt32LE(0)).toBe(bytes.length - 4)
    expect(JSON.parse(bytes.subarray(4).toString())).toEqual(orders)
    expect(
      readFileSync(`${base}/env`, 'utf8')
        .split('\n')
        .filter((line) => !/^(PWD|_|OLDPWD|SHLVL)=/.test(line)),
    ).toEqual([''])
  })

  test('tells who it is before it has its orders', async () => {
    const orders = program(`byte=$(head -c 1 <&3); echo > ${base}/first; ${READY}`)
    await startShim({ orders, signal, onSpawned: () => expect(existsSync(`${base}/first`)).toBe(false) })
    expect(existsSync(`${base}/first`)).toBe(true)
  })

  test.each([
    [`echo '{"error":"launch","step":"bind etc","errno":28,"detail":"no space"}' >&4`, 'disk_full'],
    [`echo '{"error":"launch","step":"socket","detail":"no"}' >&4`, 'sandbox_start_failed'],
    ['exit 1', 'sandbox_start_failed'],
    ['kill -KILL $$', 'sandbox_start_failed'],
    [`echo 'not JSON' >&4; echo '{"ready":"yes"}' >&4`, 'sandbox_start_failed'],
    // It says that it failed and stays.
    [`echo '{"error":"launch","step":"x"}' >&4; exec 4>&-; exec sleep 1000`, 'sandbox_start_failed'],
  ])('fails when it does %j, and it is dead then', async (script, code) => {
    const started = await start(program(script))
    expect(started.code).toBe(code)
    if (started.who !== undefined) expect(isAlive(started.who)).toBe(false)
  })

  test('can be given up, before and while it runs', async () => {
    expect((await start(program('exec sleep 1000'), AbortSignal.abort())).code).toBe('canceled')
    const giveUp = new AbortController()
    const starting = start(program(`byte=$(head -c 1 <&3); echo > ${base}/first; exec sleep 1000`), giveUp.signal)
    while (!existsSync(`${base}/first`)) await Bun.sleep(1)
    giveUp.abort()
    const { who, code } = await starting
    expect(code).toBe('canceled')
    expect(isAlive(who!)).toBe(false)
  })

  test('without the program is an unusable backend', async () => {
    expect((await start({ ...program(''), helper: join(base, 'nothing') })).code).toBe('backend_unavailable')
  })
})

describe.skipIf(!existsSync(helper))('ending a shim', () => {
  const live = (who: ProcessIdentity) => ({ ...who, runtime_dir: base, ready: true })

  test('that does not listen kills it', async () => {
    const child = Bun.spawn(['/bin/sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 0.01; done'], { stdout: 'pipe' })
    await child.stdout.getReader().read()
    const who = identityOf(child.pid)!
    await endShim(helper, live(who), 0, '0.0.0')
    expect(isAlive(who)).toBe(false)
  }, 20_000)

  test('of another boot, or whose number is somebody else’s now, ends nobody', async () => {
    const child = Bun.spawn(['sleep', '1000'])
    const who = identityOf(child.pid)!
    await endShim(helper, live({ ...who, boot_id: 'another' }), 0, '0.0.0')
    await endShim(helper, live({ ...who, start_time: '1' }), 0, '0.0.0')
    expect(isAlive(who)).toBe(true)
    child.kill('SIGKILL')
    await child.exited
  })
})

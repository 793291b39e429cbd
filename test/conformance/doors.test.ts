import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { SandboxOperations } from '../../src/contract/sandbox-operations.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { startServices } from '../support/services.ts'
import { type Door, type DoorName, DOORS, openDoor } from './doors-kit.ts'

/**
 * The same cases through every door: whoever changes what one of them answers changes all, or finds out here. The engine is in this
 * process; the others reach a daemon of their own.
 */
let daemon: TestDaemon
let engine: { readonly operations: SandboxOperations; readonly dispose: () => Promise<void> }
beforeAll(async () => {
  ;[daemon, engine] = await Promise.all([startDaemon(), startServices()])
})
afterAll(async () => {
  await Promise.all([daemon.dispose(), engine.dispose()])
})

const doorOf = (name: DoorName): Door => openDoor(name, daemon, engine.operations)

for (const name of DOORS) {
  describe(`through ${name}`, () => {
    const box = `box-${name}`

    test('a sandbox is made, found, listed by its labels, stopped, started and removed', async () => {
      const door = doorOf(name)
      expect(await door.create({ name: box, labels: { door: name }, profile: 'moderate' })).toEqual({
        ok: { status: 'running', image: 'host', profile: 'moderate' },
      })
      expect(await door.info(box)).toEqual({ ok: { name: box, status: 'running', labels: { door: name } } })
      expect(await door.list({ door: name })).toEqual({ ok: [box] })
      expect(await door.list({ door: name, other: 'x' })).toEqual({ ok: [] })
      expect(await door.stop(box)).toEqual({ ok: null })
      expect(await door.info(box)).toMatchObject({ ok: { status: 'stopped' } })
      expect(await door.start(box)).toEqual({ ok: null })
      expect(await door.start(box)).toEqual({ ok: null })
      expect(await door.remove(box)).toEqual({ ok: null })
      expect(await door.info(box)).toEqual({ code: 'sandbox_not_found' })
    })

    test('commands keep their streams apart and end as they end', async () => {
      const door = doorOf(name)
      await door.create({ name: box })
      expect(await door.exec(box, { command: ['sh', '-c', 'echo out; echo err >&2; exit 7'] })).toEqual({
        ok: { stdout: 'out\n', stderr: 'err\n', exit: 7 },
      })
      expect(await door.exec(box, { command: ['sh', '-c', 'kill -TERM $$'] })).toMatchObject({ ok: { exit: 143 } })
      expect(
        await door.exec(box, { command: ['sh', '-c', 'echo $A-$B; pwd'], env: ['A=1', 'B=two words'], workdir: '/tmp' }),
      ).toMatchObject({
        ok: { stdout: '1-two words\n/tmp\n' },
      })
      expect(await door.exec(box, { command: ['no-such-program'] })).toEqual({ code: 'command_not_found' })
      expect(await door.exec(box, { command: ['true'], workdir: '/nowhere' })).toEqual({ code: 'workdir_not_found' })
      await door.remove(box)
    })

    test('files are written, read and kept over a stop; paths that lead elsewhere are refused', async () => {
      const door = doorOf(name)
      await door.create({ name: box })
      expect(await door.write(box, '/workspace/a.txt', 'text ü\n')).toEqual({ ok: null })
      await door.stop(box)
      expect(await door.read(box, '/workspace/a.txt')).toEqual({ code: 'sandbox_not_running' })
      await door.start(box)
      expect(await door.read(box, '/workspace/a.txt')).toEqual({ ok: 'text ü\n' })
      expect(await door.read(box, '/workspace/none')).toEqual({ code: 'file_not_found' })
      expect(await door.read(box, '/proc/1/environ')).toEqual({ code: 'path_forbidden' })
      await door.remove(box)
    })

    test('what is wrong is refused with the same code', async () => {
      const door = doorOf(name)
      expect(await door.create({ name: 'bad--name' })).toEqual({ code: 'invalid_argument' })
      expect(await door.create({ name: box, start: false })).toMatchObject({ ok: { status: 'stopped' } })
      expect(await door.create({ name: box })).toEqual({ code: 'already_exists' })
      expect(await door.exec(box, { command: ['true'] })).toEqual({ code: 'sandbox_not_running' })
      expect(await door.extend(box, '1h')).toEqual({ ok: true })
      expect(await door.extend(box, '0')).toEqual({ ok: false })
      await door.remove(box)
      for (const gone of [
        await door.start(box),
        await door.stop(box),
        await door.remove(box),
        await door.exec(box, { command: ['true'] }),
      ]) {
        expect(gone).toEqual({ code: 'sandbox_not_found' })
      }
    })
  })
}

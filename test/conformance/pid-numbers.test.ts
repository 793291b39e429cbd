import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { callers, environmentOf, makePlace, type Place, runCommand } from '../security/callers.ts'

/** Uses numbers of processes up, so that nobody out here has the low ones that processes in a sandbox's start have. */
const USE_UP = 'i=0; while [ $i -lt 80 ]; do /bin/true; i=$((i+1)); done; exec "$@"'
const unshare = Bun.which('unshare')

/** A namespace of processes, as containers have. A user needs one of users around it. */
function inContainer(command: readonly string[]): string[] {
  const users = process.getuid?.() === 0 ? [] : ['--user', '--map-current-user']
  return [unshare ?? '', ...users, '--pid', '--fork', '--mount-proc', '/bin/sh', '-c', USE_UP, 'sh', ...command]
}

describe('where nobody has the number of a process in the sandbox', () => {
  for (const caller of callers()) {
    const reason = caller.skip ?? (unshare === null ? 'unshare is missing' : undefined)
    describe.skipIf(reason !== undefined)(`a run started by ${caller.name}${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
      let place: Place
      beforeAll(() => {
        place = makePlace(caller)
      })
      afterAll(() => place.remove())

      test('works as anywhere else', () => {
        const { stdout, stderr, exitCode } = Bun.spawnSync(inContainer(runCommand(place, ['sh', '-c', 'echo ran'], { flags: ['-q'] })), {
          cwd: place.project,
          env: environmentOf(place, 'x'),
        })
        expect({ stdout: stdout.toString(), stderr: stderr.toString(), exitCode }).toEqual({ stdout: 'ran\n', stderr: '', exitCode: 0 })
      })
    })
  }
})

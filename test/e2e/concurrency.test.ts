import { afterAll, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { BINARY, User } from './kit.ts'

const user = new User()
afterAll(() => user.remove())

/** What could grow: mounts, control groups, files of ours. Processes show in the groups. */
function traces(): { mounts: number; folders: string[]; files: number } {
  return {
    mounts: readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length,
    folders: user.leftFolders(),
    files: readdirSync(user.dataDir, { recursive: true }).length,
  }
}

test('twenty at once do not disturb each other', async () => {
  const runs = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      user.agentkernel(['run', 'sh', '-c', `cat; echo ${i} > /tmp/x; cat /tmp/x; exit ${i}`], { stdin: `in ${i}\n` }),
    ),
  )
  runs.forEach((run, i) => expect(run).toEqual({ code: i, stdout: `in ${i}\n${i}\n`, stderr: '' }))
  expect(user.leftFolders()).toEqual([])
}, 60_000)

const COUNT = process.env['AGENTKERNEL_SOAK'] === '1' ? 2_000 : 200

test(
  `${COUNT} runs one after another leave nothing`,
  async () => {
    await user.agentkernel(['run', 'true'])
    const before = traces()
    const { code, stdout } = await user.spawn(
      [
        'bash',
        '-c',
        `for i in $(seq ${COUNT / 10}); do for j in 1 2 3 4 5 6 7 8 9 10; do "$0" run true || echo failed; done; done`,
        BINARY,
      ],
      { ms: COUNT * 300 },
    )
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(traces()).toEqual(before)
  },
  COUNT * 300,
)

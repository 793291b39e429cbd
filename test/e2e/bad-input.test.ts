import { afterAll, describe, expect, test } from 'bun:test'
import { rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { BINARY, IS_ROOT, processesWith, User } from './kit.ts'

const user = new User()
afterAll(() => user.remove())

const oneSentence = /^(agentkernel|Error): [^\n]+\n(Fix: [^\n]+\n)?$/

describe('config files', () => {
  const table: Readonly<Record<string, readonly [string | Uint8Array, RegExp]>> = {
    malformed: ['a = [', /agentkernel\.toml:\d+:\d+: not valid TOML/],
    huge: ['# long\n'.repeat(300_000), /too large/],
    binary: [Buffer.from([0, 1, 2, 255, 254]), /not a text file/],
    'with a value of the wrong type': ['[security]\nprofile = 7\n', /agentkernel\.toml:2/],
    'with a variable that no program can be given': [`[environment]\nBIG = "${'x'.repeat(900_000)}"\n`, /:2: environment\.BIG: .*128 KiB/],
  }
  for (const [name, [content, sentence]] of Object.entries(table)) {
    test(name, async () => {
      const path = join(user.project, 'agentkernel.toml')
      writeFileSync(path, content)
      const { code, stdout, stderr } = await user.agentkernel(['run', 'true'])
      rmSync(path)
      expect({ code, stdout }).toEqual({ code: 125, stdout: '' })
      expect(stderr).toMatch(oneSentence)
      expect(stderr).toMatch(sentence)
    })
  }

  test('one that is not there', async () => {
    const { code, stderr } = await user.agentkernel(['run', '-c', 'missing.toml', 'true'])
    expect(code).toBe(125)
    expect(stderr).toMatch(oneSentence)
  })
})

describe('arguments', () => {
  test('the longest single argument of the kernel arrives', async () => {
    const { code, stdout } = await user.agentkernel(['run', 'sh', '-c', 'echo ${#1}', 'sh', 'x'.repeat(131_071)])
    expect({ code, stdout }).toEqual({ code: 0, stdout: '131071\n' })
  })

  test('1.9 MB of arguments arrive', async () => {
    const many = Array.from({ length: 1_900 }, () => 'y'.repeat(1_000))
    const { code, stdout, stderr } = await user.agentkernel(['run', 'sh', '-c', 'echo $#', 'sh', ...many])
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '1900\n', stderr: '' })
  })
})

describe('a command that misbehaves', () => {
  const calm = async (args: readonly string[]) => {
    const ended = await user.agentkernel(['run', ...args])
    expect(user.leftFolders()).toEqual([])
    return ended
  }

  test('forks without end', async () => {
    const { code } = await calm([
      '--timeout',
      '2s',
      'bash',
      '-c',
      'f() { f | f & }; f; while :; do read -rt 1 <> <(:); done 2>/dev/null # e2e-fork-bomb',
    ])
    expect([1, 124, 254]).toContain(code)
    expect(processesWith('e2e-fork-bomb')).toEqual([])
  })

  test('writes 10 GB to /tmp', async () => {
    const { code, stderr } = await calm(['sh', '-c', 'head -c 10000000000 /dev/zero > /tmp/big'])
    expect(code).toBe(1)
    expect(stderr).toContain('No space left on device')
  })

  test('locks what it made', async () => {
    const { code } = await calm(['-q', 'sh', '-c', 'mkdir -p ~/a/b d/e; touch ~/a/b/c d/e/f; chmod 000 ~/a/b d/e ~/a d'])
    expect(code).toBe(0)
  })
})

/** A private mount namespace, in which the host can be made to look broken without being it. */
describe.skipIf(!IS_ROOT)('a machine that is broken (needs root, to make it so in a mount namespace of its own)', () => {
  const within = (preparation: string, command = `'${BINARY}' run true`) =>
    user.spawn(['unshare', '-m', 'sh', '-c', `set -e; ${preparation}; set +e; ${command}`])

  test('a full disk', async () => {
    const { code, stderr } = await within(
      'mkdir -p "$HOME/full"; mount -t tmpfs -o size=64k,nr_inodes=8 tmpfs "$HOME/full"; export XDG_DATA_HOME="$HOME/full"; touch "$HOME/full/1" "$HOME/full/2" "$HOME/full/3"',
    )
    expect(code).toBe(125)
    expect(stderr).toMatch(/no space left/)
    expect(stderr.split('\n').filter((line) => line.startsWith('Error:'))).toHaveLength(1)
  })

  test('a home that is read-only', async () => {
    const { code, stderr } = await within('mount --bind "$HOME" "$HOME"; mount -o remount,ro,bind "$HOME"; cd "$HOME/project"')
    expect(code).toBe(125)
    expect(stderr).toMatch(/^Error: [^\n]*read-only[^\n]*\nFix: [^\n]+\n$/)
  })

  test('no bubblewrap', async () => {
    const hide =
      'mkdir "$HOME/programs"; mount -t tmpfs tmpfs "$HOME/programs"; cp -a /usr/bin/. "$HOME/programs"; rm "$HOME/programs/bwrap"; mount --move "$HOME/programs" /usr/bin'
    const { code, stderr } = await within(hide)
    expect(code).toBe(125)
    expect(stderr).toMatch(/^Error: bubblewrap is not installed\nFix: .*apt-get install bubblewrap/)
  })

  test('doctor on a home that is read-only finds the sandbox unusable, without a stack', async () => {
    const { code, stdout, stderr } = await within('mount --bind "$HOME" "$HOME"; mount -o remount,ro,bind "$HOME"', `'${BINARY}' doctor`)
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
    expect(stdout).toMatch(/read-only/)
  })

  const other = ['setpriv', '--reuid', '54321', '--regid', '54321', '--clear-groups']
  const reachable = spawnSync(other[0]!, [...other.slice(1), 'test', '-x', BINARY]).status === 0
  test.skipIf(!reachable)('user namespaces forbidden (needs a build that other users may read)', async () => {
    const stranger = new User()
    try {
      spawnSync('chown', ['-R', '54321:54321', dirname(stranger.home)])
      const script = `echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all '${BINARY}' run true`
      const unshare = ['unshare', '--user', '--map-user=54321', '--map-group=54321', '--keep-caps', 'sh', '-c', script]
      const { code, stderr } = await stranger.spawn([...other, ...unshare])
      expect(code).toBe(125)
      expect(stderr).toMatch(/^Error: this system does not let you make user namespaces [^\n]*\nFix: [^\n]*sysctl[^\n]*\n$/)
      expect(stranger.leftFolders()).toEqual([])
    } finally {
      stranger.remove()
    }
  })
})

import { describe, expect, test } from 'bun:test'
import type { CommandRules } from '../contract/config.ts'
import { checkCommand } from './commands.ts'

const rules = (part: Partial<CommandRules>): CommandRules => ({
  allow: [],
  block: [],
  allowlistOnly: false,
  source: '/p/agentkernel.toml',
  ...part,
})
const noCurl = [rules({ block: ['curl'] })]

describe('checkCommand', () => {
  test('allows everything when there are no rules', () => {
    expect(checkCommand(['curl'], [])).toEqual({ allowed: true })
  })

  test('names the entry, the file and the command it refuses', () => {
    expect(checkCommand(['curl', 'x'], noCurl)).toEqual({
      allowed: false,
      rule: 'security.commands.block: curl',
      source: '/p/agentkernel.toml',
      reason: 'Command "curl" is blocked by [security.commands] in /p/agentkernel.toml (security.commands.block: curl)',
    })
  })

  const blocked: readonly (readonly string[])[] = [
    ['curl', 'x'],
    ['/usr/bin/curl'],
    ['./curl'],
    ['sh', '-c', 'curl x'],
    ['bash', '-lc', 'curl x'],
    ['bash', '-o', 'pipefail', '-e', '-c', 'true; curl x', 'name'],
    ['bash', '--norc', '--rcfile', 'file', '-c', 'curl'],
    ['zsh', '-c', '--', 'curl'],
    ['busybox', 'sh', '-c', 'curl'],
    ['busybox', 'curl'],
    ['/bin/dash', '-c', 'cd /tmp && A=1 curl x'],
    ['ash', '-c', 'if true; then curl; fi'],
    ['sh', '-c', 'for i in 1 2; do curl $i; done'],
    ['sh', '-c', 'echo a\ncurl b'],
    ['sh', '-c', 'echo "$(curl b)"'],
    ['sh', '-c', 'echo x | xargs -n 1 curl'],
    ['sh', '-c', 'eval "curl x"'],
    ['sh', '-c', 'trap "curl x" EXIT'],
    ['sh', '-c', 'exec -a other curl x'],
    ['sh', '-c', '! command curl'],
    ['sh', '-c', 'bash -c \'sh -c "curl x"\''],
    ['sh', '-c', '>log curl x'],
    ['env', 'curl'],
    ['env', '-i', 'A=1', '-u', 'B', 'C=', 'curl', 'x'],
    ['env', '-S', 'curl x'],
    ['env', '-iS', 'A=1 curl x'],
    ['env', '--split-string=curl x'],
    ['nice', '-n', '5', 'curl'],
    ['nice', '-5', 'curl'],
    ['nohup', 'curl'],
    ['timeout', '5', 'curl'],
    ['timeout', '-k', '1', '--signal', 'KILL', '5s', 'curl'],
    ['timeout', '-s9', '5', 'curl'],
    ['xargs', '-I', '{}', 'curl', '{}'],
    ['xargs', '-0', 'curl'],
    ['time', '-p', 'curl'],
    ['sudo', '-u', 'root', 'A=1', 'curl'],
    ['sudo', '-E', '--', 'curl'],
    ['sudo', 'env', 'nice', 'timeout', '1', 'sh', '-c', 'curl'],
    ['stdbuf', '-oL', 'curl'],
  ]
  for (const argv of blocked) {
    test(`looks through to the blocked program in ${JSON.stringify(argv)}`, () => {
      expect(checkCommand(argv, noCurl)).toMatchObject({ allowed: false, rule: 'security.commands.block: curl' })
    })
  }

  const harmless: readonly (readonly string[])[] = [
    ['curly'],
    ['echo', 'curl'],
    ['sh', '-c', 'echo curl; git commit -m "curl x; curl"'],
    ['sh', '-c', "echo 'a; curl'"],
    ['sh', 'curl'],
    ['sh', '-c', 'cat > curl # curl'],
    ['sh', '-c', 'cat <<E\ncurl\nE'],
    ['sh', '-c', 'case curl in curl) ;; esac'],
    ['env', 'curl=1', 'true'],
    ['timeout', 'curl', 'true'],
    ['xargs', '-I', 'curl', 'echo'],
    ['grep', '-r', 'curl'],
    [],
  ]
  for (const argv of harmless) {
    test(`does not mistake an argument for a program in ${JSON.stringify(argv)}`, () => {
      expect(checkCommand(argv, noCurl)).toEqual({ allowed: true })
    })
  }

  test('says through which wrapper a blocked program was reached', () => {
    expect(checkCommand(['/bin/sh', '-c', 'curl'], noCurl)).toMatchObject({ reason: expect.stringContaining('"curl" (inside "sh")') })
  })

  test('a builtin of a shell can be blocked too', () => {
    expect(checkCommand(['sh', '-c', 'cd / && kill 1'], [rules({ block: ['kill'] })])).toMatchObject({ allowed: false })
  })

  test('an entry with a path matches only that path', () => {
    const only = [rules({ block: ['/usr/bin/curl'] })]
    expect(checkCommand(['/usr/bin/curl'], only)).toMatchObject({ allowed: false })
    expect(checkCommand(['/opt/curl'], only)).toEqual({ allowed: true })
  })

  test('a block wins over an allow', () => {
    expect(checkCommand(['git'], [rules({ allow: ['git'], block: ['git'], allowlistOnly: true })])).toMatchObject({
      rule: 'security.commands.block: git',
    })
  })

  describe('with allowlist_only', () => {
    const onlyGit = [rules({ allow: ['git', 'sh', 'env'], allowlistOnly: true })]

    test('allows what is listed and refuses the rest', () => {
      expect(checkCommand(['git', 'log'], onlyGit)).toEqual({ allowed: true })
      expect(checkCommand(['rm', '-r'], onlyGit)).toMatchObject({ allowed: false, rule: 'security.commands.allowlist_only' })
    })

    test('a wrapper must be listed as well as what it starts', () => {
      expect(checkCommand(['env', 'git'], onlyGit)).toEqual({ allowed: true })
      expect(checkCommand(['nice', 'git'], onlyGit)).toMatchObject({ allowed: false })
      expect(checkCommand(['sh', '-c', 'git log; rm x'], onlyGit)).toMatchObject({ allowed: false })
    })

    test('builtins and grammar of a shell need no entry', () => {
      expect(checkCommand(['sh', '-c', 'cd x && if test -d y; then git log; fi; for i in rm; do echo $i; done'], onlyGit)).toEqual({
        allowed: true,
      })
    })

    test('a program named by a variable is refused, since nothing is known of it', () => {
      expect(checkCommand(['sh', '-c', '$TOOL x'], onlyGit)).toMatchObject({ allowed: false })
    })
  })

  test('every layer must agree, and a block of any layer is found before any missing entry', () => {
    const project = rules({ allow: ['git'], allowlistOnly: true, source: '/project' })
    const user = rules({ block: ['git'], source: '/user' })
    expect(checkCommand(['git'], [project, user])).toMatchObject({ source: '/user' })
    expect(checkCommand(['make'], [project, user])).toMatchObject({ source: '/project' })
  })
})

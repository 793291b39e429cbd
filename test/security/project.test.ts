import { describe, expect, test } from 'bun:test'
import {
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { forBothCallers } from './attack.ts'
import { run } from './callers.ts'
import { asCaller, plant, runFolders, type World } from './world.ts'

let counter = 0

/** A fresh project of the caller below its home, with a git folder. */
function project(world: World, files: Readonly<Record<string, string>> = {}): string {
  const folder = join(world.home, `project-${++counter}`)
  mkdirSync(folder)
  chownSync(folder, world.caller.uid, world.caller.uid)
  asCaller(world, ['git', 'init', '-q', '.'], folder)
  plant(world, folder, files)
  return folder
}

const sh = (world: World, cwd: string, script: string, ...flags: string[]) => run(world, ['/bin/sh', '-c', script], { cwd, flags })

const WIDE = `
min_isolation = "process"
[security]
profile = "permissive"
network = true
mount_cwd = true
mount_home = true
pass_env = true
read_only = false
seccomp = "/tmp/allow-everything.json"
min_isolation = "process"
`

const MOUNT = ['--workspace', 'mount']

describe('a hostile project', () => {
  forBothCallers('its agentkernel.toml', (world) => {
    test('S25 cannot widen anything', async () => {
      const folder = project(world(), { 'agentkernel.toml': WIDE, 'file.txt': 'original\n' })
      const script = 'echo changed > file.txt; echo "$USER|$HOME"; cat ~/.gitconfig; ls /sys; unshare -U id'
      const { stdout, stderr } = await sh(world(), folder, script)
      expect(readFileSync(join(folder, 'file.txt'), 'utf8')).toBe('original\n')
      expect(stdout).not.toContain('CANARY')
      expect(stdout).not.toContain(world().home)
      // It is refused, or it runs narrowed and says so; it is never silently honoured.
      expect(stderr).toMatch(/agentkernel\.toml|not honoured/)
    })

    test('S25 that is huge, a FIFO, or a link to the password hashes is refused without a word of theirs', async () => {
      const seen: [number, boolean][] = []
      for (const make of [
        (path: string) => writeFileSync(path, 'x = 1\n'.repeat(500_000)),
        (path: string) => void asCaller(world(), ['mkfifo', path]),
        (path: string) => symlinkSync('/etc/shadow', path),
        (path: string) => symlinkSync(join(world().home, '.ssh/id_ed25519'), path),
        (path: string) => mkdirSync(path),
      ]) {
        const folder = project(world())
        make(join(folder, 'agentkernel.toml'))
        const { code, stdout, stderr } = await sh(world(), folder, 'echo ran')
        seen.push([code, /CANARY|root:|ran/.test(stdout + stderr)])
      }
      expect(seen).toEqual(Array.from({ length: 5 }, () => [125, false]))
    })
  })

  forBothCallers('its git folder', (world) => {
    const hostile = (mark: string): string => `
[core]
\tfsmonitor = "touch ${mark}; false"
\thooksPath = .evil
\tsshCommand = touch ${mark}
\tpager = touch ${mark}
\teditor = touch ${mark}
\tgitProxy = touch ${mark}
[include]
\tpath = /etc/shadow
[diff]
\texternal = touch ${mark}
[filter "x"]
\tclean = touch ${mark}
\tsmudge = touch ${mark}
\tprocess = touch ${mark}
[remote "origin"]
\turl = ext::touch ${mark}
[credential]
\thelper = "!touch ${mark}"
[alias]
\tstatus = "!touch ${mark}"
`

    test('S26 executes nothing on the host, in any mode', async () => {
      const mark = join(world().dir, 'home', 'victim', 'executed')
      for (const mode of ['none', 'copy', 'mount']) {
        const folder = project(world(), { '.gitattributes': '* filter=x\n', 'a.txt': 'a\n' })
        const hook = `#!/bin/sh\ntouch ${mark}\n`
        plant(world(), folder, { '.git/config': hostile(mark), '.evil/post-checkout': hook, '.git/hooks/post-checkout': hook })
        await sh(world(), folder, 'echo changed >> a.txt', '--workspace', mode)
      }
      expect(existsSync(mark)).toBe(false)
    })

    test('S26 may be a file that points elsewhere, which shows nothing of that place', async () => {
      const folder = join(world().home, `pointing-${++counter}`)
      plant(world(), world().home, { [`pointing-${counter}/a.txt`]: 'a\n' })
      chownSync(folder, world().caller.uid, world().caller.uid)
      plant(world(), folder, { '.git': `gitdir: ${world().home}/.ssh\n` })
      const { stdout } = await sh(world(), folder, `ls -A; cat ${world().home}/.ssh/* .git/*; git status`)
      expect(stdout).not.toContain('CANARY')
    })

    test('S27 keeps its passwords to itself in the copy', async () => {
      const folder = project(world())
      plant(world(), folder, {
        '.git/config': `[core]\n\tbare = false\n[remote "origin"]\n\turl = https://me:CANARY-url@example.org/x.git\n[http]\n\textraheader = "Authorization: CANARY-header"\n`,
      })
      const { stdout } = await sh(world(), folder, 'cat .git/config; git config --list')
      expect(stdout).toContain('example.org')
      expect(stdout).not.toContain('CANARY')
    })

    test('S27 keeps them also where the sandbox may not write to the folder', async () => {
      const { uid } = world().caller
      // Made by somebody else, as containers do; of a group alone, as set-group folders do; with numbers that no id map has.
      const owners =
        process.getuid?.() === 0
          ? ([
              [12, 12],
              [uid, 12],
              [uid, 70_000],
              [70_000, 70_000],
            ] as const)
          : ([[uid, uid]] as const)
      for (const [user, group] of owners) {
        const folder = project(world())
        plant(world(), folder, { 'shared/.env': 'TOKEN=CANARY-shared\n', 'shared/note': 'fine\n' })
        for (const path of ['shared', 'shared/.env']) chownSync(join(folder, path), user, group)
        const { stdout } = await sh(world(), folder, 'cat shared/*; cat shared/.env')
        expect(stdout).toBe('fine\n')
      }
    })
  })

  forBothCallers('its links and special files', (world) => {
    test('S28 symlinks that lead out of the project lead to nothing', async () => {
      const folder = project(world())
      symlinkSync(join(world().home, '.ssh'), join(folder, 'keys'))
      symlinkSync('/etc/shadow', join(folder, 'shadow'))
      symlinkSync('../.aws/credentials', join(folder, 'aws'))
      symlinkSync('/', join(folder, 'everything'))
      const target = join(world().home, 'outside.txt')
      writeFileSync(target, 'original\n')
      symlinkSync(target, join(folder, 'out'))
      for (const flags of [[], MOUNT]) {
        const { stdout } = await sh(
          world(),
          folder,
          'cat keys/* shadow aws everything/etc/shadow; echo changed > out; echo changed > keys/new; echo end',
          ...flags,
        )
        expect(stdout).toBe('end\n')
      }
      expect(readFileSync(target, 'utf8')).toBe('original\n')
      expect(existsSync(join(world().home, '.ssh/new'))).toBe(false)
    })

    test('S28 a symlink that the command makes is not followed by us afterwards', async () => {
      const target = join(world().home, 'Documents')
      const before = readdirSync(target)
      await sh(world(), project(world()), `ln -s ${target} d; ln -s ${target} ~/d; mkdir -p ~/locked/x; chmod 0 ~/locked; ln -s / ~/root`)
      expect(readdirSync(target)).toEqual(before)
      expect(runFolders(world())).toEqual([])
    })

    test('S28 a hard link to a file outside changes nothing there in the copy', async () => {
      const folder = project(world())
      const target = join(world().home, 'linked.txt')
      writeFileSync(target, 'original\n')
      chownSync(target, world().caller.uid, world().caller.uid)
      linkSync(target, join(folder, 'hard'))
      const { stdout } = await sh(world(), folder, 'echo changed > hard; cat hard; ln /usr/bin/env mine 2>&1 || echo refused')
      expect(stdout).toContain('changed')
      expect(stdout).toContain('refused')
      expect(readFileSync(target, 'utf8')).toBe('original\n')
    })

    test('S29 sockets, FIFOs and devices of the project cannot be used', async () => {
      const folder = project(world())
      const python = `import socket; s = socket.socket(socket.AF_UNIX); s.bind("service.sock")`
      asCaller(world(), ['/usr/bin/python3', '-c', python], folder)
      asCaller(world(), ['mkfifo', 'pipe'], folder)
      if (process.getuid?.() === 0) Bun.spawnSync(['mknod', '-m', '666', join(folder, 'disk'), 'b', '254', '0'])
      for (const flags of [[], MOUNT]) {
        const script =
          'for name in service.sock pipe disk; do test -S $name && echo socket; test -p $name && echo fifo; test -b $name && head -c 1 $name; done; echo end'
        expect((await sh(world(), folder, script, ...flags)).stdout).toBe('end\n')
      }
    })

    test('S30 folders swapped for symlinks while runs start lead to no file outside', async () => {
      const folder = project(world(), { 'a/.env': 'inside\n', 'b/.env': 'inside\n', 'a/.npmrc': '_authToken=x\n' })
      const outside = join(world().home, 'swap-target')
      plant(world(), world().home, { 'swap-target/.env': 'CANARY-swap\n', 'swap-target/.npmrc': '_authToken=CANARY-swap\n' })
      const swap = `
import os, sys
os.chdir(sys.argv[1])
while True:
    for name in ("a", "b"):
        os.rename(name, name + ".real"); os.symlink(sys.argv[2], name)
        os.unlink(name); os.rename(name + ".real", name)
`
      const swapper = Bun.spawn([...world().caller.prefix, '/usr/bin/python3', '-c', swap, folder, outside])
      const leaks: string[] = []
      try {
        for (let batch = 0; batch < 10; batch++) {
          const runs = [[], [], MOUNT].map((flags) => sh(world(), folder, 'cat a/.env b/.env a/.npmrc', ...flags))
          leaks.push(...(await Promise.all(runs)).map(({ stdout }) => stdout).filter((text) => text.includes('CANARY')))
        }
      } finally {
        swapper.kill('SIGKILL')
        await swapper.exited
      }
      expect(leaks).toEqual([])
      expect(readdirSync(outside).toSorted()).toEqual(['.env', '.npmrc'])
      expect(readFileSync(join(outside, '.env'), 'utf8')).toBe('CANARY-swap\n')
      expect(readFileSync(join(outside, '.npmrc'), 'utf8')).toBe('_authToken=CANARY-swap\n')
      expect(runFolders(world())).toEqual([])
    }, 60_000)
  })

  forBothCallers('its real files', (world) => {
    const DANGEROUS = {
      '.envrc': 'x\n',
      '.vscode/tasks.json': '{}\n',
      '.mcp.json': '{}\n',
      '.claude/settings.json': '{}\n',
      'agentkernel.toml': '',
      '.husky/pre-commit': 'x\n',
    }

    test('S31 what runs later on the host cannot be changed', async () => {
      const folder = project(world(), DANGEROUS)
      const names = [...Object.keys(DANGEROUS), '.git/config', '.git/hooks/pre-commit']
      const script = names
        .map((name) => `(echo evil >> ${name}) 2>/dev/null && echo "wrote ${name}"; rm -f ${name} 2>/dev/null && echo "removed ${name}"`)
        .join('\n')
      const { stdout } = await sh(world(), folder, script, ...MOUNT)
      // Removing a hook that is not there succeeds and says nothing about protection.
      expect(stdout.replace('removed .git/hooks/pre-commit\n', '')).toBe('')
      for (const [name, content] of Object.entries(DANGEROUS)) expect(readFileSync(join(folder, name), 'utf8')).toBe(content)
      expect(existsSync(join(folder, '.git/hooks/pre-commit'))).toBe(false)
    })

    test('S31 they cannot be carried away with the folder they are in', async () => {
      const folder = project(world(), DANGEROUS)
      const inodes = () =>
        ['.git', '.vscode', '.claude', '.husky', '.git/hooks', '.git/config'].map((name) => lstatSync(join(folder, name)).ino)
      const before = inodes()
      const script = `
for name in .git .vscode .claude .husky .git/hooks .git/config; do mv $name moved-$(basename $name); done
for name in .git .vscode; do python3 -c "import os; os.rename('$name', 'renamed')"; done
mkdir -p .git/hooks; echo evil > .git/hooks/pre-commit; echo evil > .git/config; echo evil > .vscode/tasks.json`
      await sh(world(), folder, script, ...MOUNT)
      expect(inodes()).toEqual(before)
      expect(existsSync(join(folder, '.git/hooks/pre-commit'))).toBe(false)
      expect(readFileSync(join(folder, '.git/config'), 'utf8')).not.toContain('evil')
      expect(readFileSync(join(folder, '.vscode/tasks.json'), 'utf8')).toBe('{}\n')
    })

    test('S31 a new one is reported', async () => {
      const folder = project(world())
      const { stderr } = await sh(
        world(),
        folder,
        'echo evil > .envrc; mkdir .vscode; echo {} > .vscode/tasks.json; echo ../x > .git/commondir',
        ...MOUNT,
      )
      for (const name of ['.envrc', '.vscode', '.git/commondir']) expect(stderr).toContain(name)
    })

    test('S32 a file made by the command belongs to the owner of the project', async () => {
      const folder = project(world())
      await sh(world(), folder, 'echo x > made; mkdir folder; ln -s made link', ...MOUNT)
      const owners = ['made', 'folder', 'link'].map((name) => lstatSync(join(folder, name)).uid)
      expect(owners).toEqual([1, 2, 3].map(() => statSync(folder).uid))
    })

    test('S33 the command cannot make a program that runs with the rights of its owner', async () => {
      const folder = project(world())
      const script = `
import os
def attempt(make):
    try:
        make()
    except OSError:
        pass
os.umask(0)
attempt(lambda: os.close(os.open("opened", os.O_CREAT | os.O_WRONLY, 0o6755)))
attempt(lambda: os.mknod("node", 0o106755))
for index, name in enumerate(("chmod", "fchmod", "group")):
    with open(name, "w") as file:
        attempt([lambda: os.chmod(name, 0o4755), lambda: os.fchmod(file.fileno(), 0o6755), lambda: os.chmod(name, 0o2755)][index])
`
      await run(world(), ['/usr/bin/python3', '-c', script], { cwd: folder, flags: MOUNT })
      const risky = readdirSync(folder).filter((name) => name !== '.git' && (statSync(join(folder, name)).mode & 0o6000) !== 0)
      for (const name of risky) rmSync(join(folder, name))
      expect(risky).toEqual([])
    })
  })
})

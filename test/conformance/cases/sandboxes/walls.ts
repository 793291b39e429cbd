import { expect } from 'bun:test'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeView } from '../../make-spec.ts'
import type { SandboxCase } from '../../sandbox-kit.ts'

const claim: SandboxCase['claim'] = { says: 'commands are kept in', made: (facts) => facts.isolation !== 'process' }

/** What holds around everything in a sandbox, attacked from inside. */
export const wallCases: readonly SandboxCase[] = [
  {
    name: 'the sandbox is called by its name',
    claim,
    run: async (kit) => {
      const box = await kit.start({ name: 'my-box' })
      expect(await kit.sh(box, 'hostname 2>/dev/null || cat /proc/sys/kernel/hostname; cat /etc/hostname; grep -c my-box /etc/hosts')).toBe(
        'my-box\nmy-box\n1\n',
      )
    },
  },
  {
    name: '/tmp is empty after a stop, the home and the workspace are not',
    claim,
    run: async (kit) => {
      const box = await kit.start()
      await kit.sh(box, 'touch /tmp/a "$HOME/b" /workspace/c /dev/shm/d')
      await kit.stop(box)
      await kit.start(box)
      expect(await kit.sh(box, 'ls -A /tmp; ls -A /dev/shm; ls -A "$HOME"; ls -A /workspace')).toBe('b\nc\n')
    },
  },
  {
    name: 'a read-only root refuses every write outside /tmp and the project',
    claim,
    run: async (kit) => {
      const root = await kit.tempDir()
      await writeFile(join(root, 'a.txt'), 'a\n')
      const script = `for d in / /usr /usr/bin /etc /bin /lib /var /opt /home /home/user; do (: > $d/.x) 2>/dev/null && echo "wrote $d"; done; : > /tmp/x && : > "$HOME/y" && echo tmp; (: > /workspace/z) 2>/dev/null && echo workspace`
      const empty = await kit.start({ permissions: { readOnlyRoot: true } })
      expect((await kit.exec(empty, ['sh', '-c', script])).stdout).toBe('tmp\n')
      const project = await kit.start({ permissions: { readOnlyRoot: true }, workspace: makeView(root, 'copy') })
      expect(await kit.sh(project, script)).toBe('tmp\nworkspace\n')
    },
  },
  {
    name: 'process 1 can be neither read nor ended',
    claim,
    run: async (kit) => {
      const box = await kit.start()
      const script = [
        'for f in mem environ fd/3 fd/5 root/etc/passwd map_files; do head -c 1 /proc/1/$f 2>/dev/null && echo "read $f"; done',
        'ls /proc/1/fd /proc/1/root /proc/1/cwd 2>/dev/null && echo listed',
        'for s in TERM INT HUP QUIT KILL STOP SEGV ABRT USR1 USR2 ALRM PIPE XCPU; do kill -$s 1 2>/dev/null; done',
        'echo done',
      ].join('\n')
      expect(await kit.sh(box, script)).toBe('done\n')
      expect(await kit.sh(box, 'echo on')).toBe('on\n')
      expect(await kit.state(box)).toBe('running')
    },
  },
  {
    name: 'a signal to everybody ends no more than the commands',
    claim,
    run: async (kit) => {
      const box = await kit.start()
      await kit.exec(box, ['sh', '-c', 'kill -KILL -1'])
      expect(await kit.sh(box, 'echo on')).toBe('on\n')
    },
  },
  {
    name: 'neither the socket nor the output of commands can be reached',
    claim,
    run: async (kit) => {
      const box = await kit.start()
      const socket = kit.verbs.connect(box.handle).socketPath
      const log = dirname(dirname(socket))
      await kit.sh(box, 'echo a-word-in-the-log')
      const script = [
        `ls ${socket} ${dirname(socket)} ${log} 2>/dev/null && echo seen`,
        'find / -xdev \\( -name shim.sock -o -name shim.json -o -name live.json \\) 2>/dev/null',
        'grep -c shim /proc/net/unix; grep -rl a-word-in-the-log / --include=out --include="*.log" 2>/dev/null',
        'grep -E "sandboxes/[0-9a-f-]{36}/log|run/[0-9a-f]{8}" /proc/self/mountinfo',
        'echo done',
      ].join('\n')
      expect(await kit.sh(box, script)).toBe('0\ndone\n')
    },
  },
  {
    name: 'commands have no capability, no way to new privileges, and the filter',
    claim,
    run: async (kit) => {
      const box = await kit.start()
      const status = await kit.sh(
        box,
        'cat /proc/self/status /proc/1/status | grep -E "^(Cap...|NoNewPrivs|Seccomp):" | sort | uniq -c | tr -s " \\t" " "',
      )
      expect(status).toBe(
        [
          'CapAmb: 0000000000000000',
          'CapBnd: 0000000000000000',
          'CapEff: 0000000000000000',
          'CapInh: 0000000000000000',
          'CapPrm: 0000000000000000',
          'NoNewPrivs: 1',
          'Seccomp: 2',
        ]
          .map((line) => ` 2 ${line}\n`)
          .join(''),
      )
    },
  },
  {
    name: 'no command gets a descriptor but its three streams',
    claim,
    run: async (kit) => {
      const box = await kit.start()
      // `ls` has one more: the folder it lists.
      expect(await kit.sh(box, 'ls /proc/self/fd')).toBe('0\n1\n2\n3\n')
    },
  },
  {
    name: 'no network but the loopback is there',
    claim: { says: 'no network exists inside', made: (facts) => facts.isolation !== 'process' },
    run: async (kit) => {
      const box = await kit.start()
      expect(await kit.sh(box, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '")).toBe('lo\n')
    },
  },
  {
    name: 'nothing of the host is seen but its programs',
    claim,
    run: async (kit) => {
      const folder = await kit.tempDir()
      await writeFile(join(folder, 'secret'), 'hush\n')
      const box = await kit.start()
      expect(
        await kit.sh(box, `cat ${folder}/secret /etc/shadow 2>/dev/null; ls -A /root /home; ls /proc | grep -E '^[0-9]+$' | wc -l`),
      ).toMatch(/^\/home:\nuser\n\n\/root:\n[3-6]\n$/)
    },
  },
]

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { runFilter } from '../../../test/support/bpf-machine.ts'
import { compileSeccomp } from './compile.ts'
import { SECCOMP_PROFILE_NAMES, seccompProfile, type SeccompProfileName } from './profiles.ts'
import { AUDIT_ARCH, type SeccompArch, syscallTable } from './syscall-table.ts'
import { ALLOW, EAFNOSUPPORT, ENOSYS, EPERM, EPROTONOSUPPORT, KILL_PROCESS } from './verdict.ts'

const ARCHES = ['x64', 'arm64'] as const
const COMBINATIONS = ARCHES.flatMap((arch) => SECCOMP_PROFILE_NAMES.map((profile) => ({ arch, profile })))

/** The verdict of a built-in profile on a call by name; undefined when the machine has no such call. */
function verdict(profile: SeccompProfileName, arch: SeccompArch, name: string, ...args: readonly (number | bigint)[]): number | undefined {
  const number = syscallTable(arch).get(name)
  if (number === undefined) return undefined
  return runFilter(compileSeccomp(profile, arch), { arch, number, args: args.map(BigInt) })
}

const FORBIDDEN = `
  unshare setns mount umount2 pivot_root move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick mount_setattr chroot
  kexec_load kexec_file_load init_module finit_module delete_module create_module bpf perf_event_open ptrace process_vm_readv
  process_vm_writev kcmp pidfd_getfd keyctl add_key request_key userfaultfd io_uring_setup io_uring_enter io_uring_register
  open_by_handle_at name_to_handle_at syslog acct swapon swapoff reboot settimeofday clock_settime clock_adjtime adjtimex
  iopl ioperm modify_ldt quotactl quotactl_fd nfsservctl lookup_dcookie fanotify_init vhangup sethostname setdomainname uselib
  ustat sysfs _sysctl listns lsm_set_self_attr`
  .trim()
  .split(/\s+/)

const NEEDED = `
  read write openat close execve execveat exit_group wait4 waitid futex futex_waitv futex_wait futex_wake futex_requeue rseq
  set_robust_list membarrier close_range faccessat2 epoll_pwait2 statx copy_file_range memfd_create pidfd_open
  pidfd_send_signal getrandom pkey_alloc mlock2 sched_setaffinity timer_create prlimit64 preadv2 fchmodat2 mseal map_shadow_stack
  setuid fchownat connect accept4 signalfd4 inotify_init1 prctl capset splice renameat2`
  .trim()
  .split(/\s+/)

describe.each(COMBINATIONS)('profile $profile on $arch', ({ profile, arch }) => {
  const program = compileSeccomp(profile, arch)
  const run = (number: number, ...args: readonly bigint[]) => runFilter(program, { arch, number, args })
  const table = syscallTable(arch)
  const numberOf = (name: string): number => table.get(name) ?? -1
  const { allow, inspect } = seccompProfile(profile, false)
  const allowed = new Set(allow.map((name) => table.get(name)))
  const inspected = new Set(Object.keys(inspect).map((name) => table.get(name)))

  test('is a whole number of instructions, few enough for the kernel', () => {
    expect(program.length % 8).toBe(0)
    expect(program.length / 8).toBeLessThanOrEqual(4096)
  })

  test('decides every number that exists as its lists say', () => {
    for (const [name, number] of table) {
      if (inspected.has(number)) continue
      const refusal = name === 'clone3' || name === 'openat2' || name.startsWith('landlock_') ? ENOSYS : EPERM
      expect([name, run(number)]).toEqual([name, allowed.has(number) ? ALLOW : refusal])
    }
  })

  test('allows what modern language runtimes call', () => {
    const missing = NEEDED.filter((name) => verdict(profile, arch, name) !== ALLOW)
    expect(missing).toEqual([])
  })

  test('refuses every way to change namespaces, mounts, the kernel or another process', () => {
    const open = FORBIDDEN.filter((name) => ![EPERM, undefined].includes(verdict(profile, arch, name)))
    expect(open).toEqual([])
  })

  test('never allows a number that no list has', () => {
    const known = new Set([...allowed, ...inspected])
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.array(fc.bigInt(0n, 2n ** 64n - 1n), { maxLength: 6 }), (number, args) => {
        fc.pre(!known.has(number))
        expect(run(number, ...args)).not.toBe(ALLOW)
      }),
    )
    for (let number = 0; number < 1024; number++) if (!known.has(number)) expect(run(number)).not.toBe(ALLOW)
  })

  test('tells programs that a number past its tables does not exist', () => {
    for (const number of [471, 500, 1023, 4096]) expect(run(number)).toBe(ENOSYS)
  })

  test('kills a call of any other architecture', () => {
    const i386 = 0x40000003
    const arm32 = 0x40000028
    const other = AUDIT_ARCH[arch === 'x64' ? 'arm64' : 'x64']
    for (const foreign of [i386, arm32, other, 0]) {
      for (const number of [0, numberOf('execve'), 471]) expect(runFilter(program, { arch: foreign, number })).toBe(KILL_PROCESS)
    }
  })

  test('refuses terminal injection whatever the upper half of the command says', () => {
    const commands = fc.constantFrom(0x5412n, 0x541cn, 0x541dn, 0x5423n)
    fc.assert(
      fc.property(commands, fc.bigInt(0n, 0xffffffffn), fc.bigInt(0n, 2n ** 64n - 1n), (command, high, argument) => {
        expect(run(numberOf('ioctl'), 0n, (high << 32n) | command, argument)).toBe(EPERM)
      }),
    )
  })

  test('allows the other terminal commands', () => {
    for (const command of [0x5401, 0x5402, 0x5413, 0x5414, 0x540f, 0x5410, 0x540e, 0x541b]) {
      expect(run(numberOf('ioctl'), 0n, BigInt(command))).toBe(ALLOW)
    }
  })

  test('lets a process set limits of its own, and only look at those of others', () => {
    const [limits, high] = [0x7f0000001000n, 1n << 32n]
    expect([0n, high].map((pid) => run(numberOf('prlimit64'), pid, 7n, limits))).toEqual([ALLOW, ALLOW])
    expect([1n, 4242n].map((pid) => run(numberOf('prlimit64'), pid, 7n, 0n, limits))).toEqual([ALLOW, ALLOW])
    // Either half of the address alone makes it one.
    for (const address of [limits, high, 8n]) expect(run(numberOf('prlimit64'), 1n, 7n, address)).toBe(EPERM)
  })

  test('allows clone for threads and processes, and refuses it with any namespace flag', () => {
    const thread = 0x3d0f00n
    const process = 0x1200011n
    expect([run(numberOf('clone'), thread), run(numberOf('clone'), process)]).toEqual([ALLOW, ALLOW])
    const flags = [0x00020000n, 0x02000000n, 0x04000000n, 0x08000000n, 0x10000000n, 0x20000000n, 0x40000000n, 0x80n]
    fc.assert(
      fc.property(fc.constantFrom(...flags), fc.bigInt(0n, 2n ** 64n - 1n), (flag, others) => {
        expect(run(numberOf('clone'), flag | others)).toBe(EPERM)
      }),
    )
    expect(run(numberOf('clone'), thread | (1n << 32n))).toBe(EPERM)
  })

  test('gives no file a setuid or setgid bit, when made and later', () => {
    const AT = 0n
    const MODES = [
      [0o755n, ALLOW],
      [0o1777n, ALLOW],
      [0o4755n, EPERM],
      [0o2755n, EPERM],
      [0o106755n, EPERM],
      // The kernel takes the lower half.
      [(1n << 32n) | 0o755n, ALLOW],
    ] as const
    const [O_CREAT, O_TMPFILE] = [0x40n, 0x410000n]
    for (const [mode, expected] of MODES) {
      for (const name of ['chmod', 'fchmod', 'creat']) if (table.has(name)) expect(run(numberOf(name), AT, mode)).toBe(expected)
      for (const name of ['fchmodat', 'fchmodat2']) expect(run(numberOf(name), AT, AT, mode)).toBe(expected)
      for (const flags of [O_CREAT, O_TMPFILE, O_CREAT | 0o2n]) {
        expect(run(numberOf('openat'), AT, AT, flags, mode)).toBe(expected)
        if (table.has('open')) expect(run(numberOf('open'), AT, flags, mode)).toBe(expected)
      }
      // Without the wish to make a file its argument is whatever the register held.
      expect(run(numberOf('openat'), AT, AT, 0o2n, mode)).toBe(ALLOW)
    }
    expect(run(numberOf('mknodat'), AT, AT, 0o104644n)).toBe(EPERM)
  })

  test('answers clone3 as a kernel without it', () => {
    fc.assert(fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (args) => expect(run(numberOf('clone3'), args, 88n)).toBe(ENOSYS)))
  })

  test('makes files, FIFOs and sockets but no devices', () => {
    for (const [type, expected] of [
      [0n, ALLOW],
      [0x8000n, ALLOW],
      [0x1000n, ALLOW],
      [0xc000n, ALLOW],
      [0x2000n, EPERM],
      [0x6000n, EPERM],
      [0x4000n, EPERM],
      [0xa000n, EPERM],
    ] as const) {
      expect(run(numberOf('mknodat'), 0n, 0n, type | 0o644n)).toBe(expected)
      if (table.has('mknod')) expect(run(numberOf('mknod'), 0n, type | 0o644n)).toBe(expected)
    }
  })

  test('makes unix sockets and pairs, and no exotic family', () => {
    expect([run(numberOf('socket'), 1n, 1n), run(numberOf('socketpair'), 1n, 0x80001n)]).toEqual([ALLOW, ALLOW])
    expect(run(numberOf('socketpair'), 2n, 1n)).toBe(EAFNOSUPPORT)
    for (const family of [0n, 3n, 9n, 15n, 21n, 29n, 30n, 31n, 38n, 40n, 44n])
      expect(run(numberOf('socket'), family, 1n)).toBe(EAFNOSUPPORT)
    expect(run(numberOf('socket'), 17n, 3n)).toBe(EPERM)
  })

  test('asks for the personality but never makes memory executable by it', () => {
    expect(run(numberOf('personality'), 0xffffffffn)).toBe(ALLOW)
    expect(run(numberOf('personality'), 0x400000n)).toBe(EPERM)
  })
})

describe.each(ARCHES)('internet sockets on %s', (arch) => {
  const CASES: readonly (readonly [string, readonly [number, number, number], number])[] = [
    ['TCP', [2, 0x80801, 6], ALLOW],
    ['TCP by default protocol', [10, 1, 0], ALLOW],
    ['MPTCP', [2, 1, 262], ALLOW],
    ['UDP', [10, 0x80002, 17], ALLOW],
    ['ping', [2, 2, 1], ALLOW],
    ['routes and addresses', [16, 0x80003, 0], ALLOW],
    ['raw', [2, 3, 1], EPERM],
    ['raw with flags', [10, 0x80803, 255], EPERM],
    ['packet in its old spelling', [2, 10, 768], EPERM],
    ['packet', [17, 3, 768], EPERM],
    ['SCTP', [2, 5, 132], EPERM],
    ['SCTP as a stream', [2, 1, 132], EPROTONOSUPPORT],
    ['L2TP', [2, 2, 115], EPROTONOSUPPORT],
    ['netlink audit', [16, 3, 9], EPROTONOSUPPORT],
    ['netfilter', [16, 3, 12], EPROTONOSUPPORT],
  ]
  test.each(CASES)('%s', (_, args, expected) => {
    for (const profile of ['default', 'moderate', 'ai-agent'] as const) expect(verdict(profile, arch, 'socket', ...args)).toBe(expected)
    const withNetwork = compileSeccomp('restrictive', arch, { inet: true })
    const number = syscallTable(arch).get('socket') ?? -1
    expect(runFilter(withNetwork, { arch, number, args: args.map(BigInt) })).toBe(expected)
    expect(verdict('restrictive', arch, 'socket', ...args)).not.toBe(ALLOW)
  })

  test('bits above the 32 that the kernel reads change nothing', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 0xffffffffn), (high) => {
        expect(verdict('default', arch, 'socket', (high << 32n) | 17n, 3, 0)).toBe(EPERM)
        expect(verdict('default', arch, 'socket', 2, (high << 32n) | 3n, 0)).toBe(EPERM)
      }),
    )
  })
})

test('every number with the x32 bit kills the process', () => {
  for (const profile of SECCOMP_PROFILE_NAMES) {
    const program = compileSeccomp(profile, 'x64')
    fc.assert(
      fc.property(fc.nat(0xffffffff), (number) => {
        expect(runFilter(program, { arch: 'x64', number: (number | 0x40000000) >>> 0 })).toBe(KILL_PROCESS)
      }),
    )
  }
})

test('the profiles are nested: what a narrower one allows, each wider one allows', () => {
  const order = ['restrictive', 'moderate', 'ai-agent', 'default'] as const
  const listed = order.map((name) => new Set([...seccompProfile(name, false).allow, ...Object.keys(seccompProfile(name, false).inspect)]))
  for (const [i, narrow] of listed.entries()) {
    const wider = listed[i + 1]
    if (wider === undefined) continue
    expect([...narrow].filter((call) => !wider.has(call))).toEqual([])
    expect(wider.size).toBeGreaterThan(narrow.size)
  }
})

test('landlock is for agents and for the widest profile, and looks absent elsewhere', () => {
  const answers = SECCOMP_PROFILE_NAMES.map((profile) => [profile, verdict(profile, 'x64', 'landlock_restrict_self')])
  expect(Object.fromEntries(answers)).toEqual({ default: ALLOW, 'ai-agent': ALLOW, moderate: ENOSYS, restrictive: ENOSYS })
})

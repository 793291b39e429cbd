import * as rules from './argument-rules.ts'
import type { ArgumentRule } from './rule.ts'
import { words } from './syscall-table.ts'
import { ENOSYS, type Verdict } from './verdict.ts'

/**
 * What each profile allows. A call that no list names fails with EPERM. The profiles are nested:
 * restrictive ⊂ moderate ⊂ ai-agent ⊂ default.
 *
 * Left out everywhere, on purpose: namespaces (unshare, setns), the mount family, chroot and pivot_root, bpf, perf, io_uring,
 * userfaultfd, the keyrings, ptrace and every other way into another process, file handles, fanotify, modules, kexec, swap,
 * quotas, accounting, the kernel log, port I/O and LDTs, setting any clock.
 */
export interface SeccompProfile {
  /** Calls allowed with any argument. A name that a machine does not have is skipped there, as are empty names. */
  readonly allow: readonly string[]
  /** Calls allowed with some arguments. */
  readonly inspect: Readonly<Record<string, ArgumentRule>>
}

export const SECCOMP_PROFILE_NAMES = ['default', 'moderate', 'restrictive', 'ai-agent'] as const
export type SeccompProfileName = (typeof SECCOMP_PROFILE_NAMES)[number]

/**
 * Calls that fail with ENOSYS where they are not allowed, so that programs take the way of an older kernel. clone3 is
 * never allowed: its flags lie in memory, where a filter cannot see them, and the C libraries fall back to clone on
 * ENOSYS only. So it is with openat2, whose mode could hold a setuid bit.
 */
export const ABSENT_CALLS: Readonly<Record<string, Verdict>> = {
  clone3: ENOSYS,
  openat2: ENOSYS,
  landlock_create_ruleset: ENOSYS,
  landlock_add_rule: ENOSYS,
  landlock_restrict_self: ENOSYS,
}

const FILES = `
  access chdir chown close close_range copy_file_range dup dup2 dup3 faccessat faccessat2 fadvise64 fallocate
  fchdir fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat
  fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getxattr inotify_add_watch inotify_init inotify_init1
  inotify_rm_watch lchown lgetxattr link linkat listxattr llistxattr lremovexattr lseek lsetxattr lstat mkdir mkdirat
  newfstatat pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink
  readlinkat readv removexattr rename renameat renameat2 rmdir sendfile setxattr splice stat statfs statx symlink symlinkat
  sync_file_range syncfs truncate umask unlink unlinkat utime utimensat utimes write writev
  setxattrat getxattrat listxattrat removexattrat file_getattr file_setattr`

const WAITING = `
  epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 poll ppoll pselect6 select
  signalfd signalfd4`

const PROCESSES = `
  alarm arch_prctl capget capset execve execveat exit exit_group fork get_robust_list getcpu getegid geteuid getgid
  getgroups getitimer getpgid getpgrp getpid getppid getpriority getresgid getresuid getrlimit getrusage getsid gettid
  getuid ioprio_get ioprio_set kill membarrier pause pidfd_open pidfd_send_signal prctl restart_syscall rseq
  rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
  sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
  sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield set_robust_list
  set_tid_address setfsgid setfsuid setgid setgroups setitimer setpgid setpriority setregid setresgid setresuid setreuid
  setrlimit setsid setuid sigaltstack sysinfo tgkill tkill uname vfork wait4 waitid`

const MEMORY = `
  brk get_mempolicy madvise map_shadow_stack memfd_create mincore mlock mlock2 mlockall mmap mprotect mremap mseal msync
  munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect`

const THREADS_AND_TIME = `
  clock_getres clock_gettime clock_nanosleep futex futex_requeue futex_wait futex_waitv futex_wake getrandom gettimeofday
  nanosleep time timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime
  timerfd_settime times`

const SOCKETS = `
  accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg sendmsg sendto
  setsockopt shutdown`

/** Message queues and System V objects (databases, fakeroot), inner seccomp filters, and conveniences. */
const MODERATE_ONLY = `
  cachestat listmount mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd
  process_madvise process_mrelease seccomp semctl semget semop semtimedop shmat shmctl shmdt shmget statmount sync tee`

/** The inner sandboxes of agents can only take rights away. */
const LANDLOCK = `
  landlock_add_rule landlock_create_ruleset landlock_restrict_self`

/** What a few databases, NUMA tuning and old programs ask for. */
const DEFAULT_ONLY = `
  io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit lsm_get_self_attr lsm_list_modules mbind memfd_secret
  migrate_pages move_pages remap_file_pages set_mempolicy set_mempolicy_home_node vmsplice`

const base = FILES + WAITING + PROCESSES + MEMORY + THREADS_AND_TIME + SOCKETS
const moderate = base + MODERATE_ONLY
const agent = moderate + LANDLOCK
const modes = {
  chmod: rules.MODE_SECOND,
  fchmod: rules.MODE_SECOND,
  creat: rules.MODE_SECOND,
  fchmodat: rules.MODE_THIRD,
  fchmodat2: rules.MODE_THIRD,
  open: rules.OPEN,
  openat: rules.OPENAT,
  mknod: rules.MKNOD,
  mknodat: rules.MKNODAT,
}
const inspected = { ...modes, clone: rules.CLONE, ioctl: rules.IOCTL, prlimit64: rules.PRLIMIT, socketpair: rules.SOCKET_UNIX }
const networked = { ...inspected, socket: rules.SOCKET, personality: rules.PERSONALITY }

/**
 * The lists of a profile. `restrictive` has no internet or netlink sockets unless `inet` is set (a sandbox of that profile
 * whose network was switched on); the other profiles have them always.
 */
export function seccompProfile(name: SeccompProfileName, inet: boolean): SeccompProfile {
  switch (name) {
    case 'restrictive':
      return {
        allow: words(base),
        inspect: { ...inspected, socket: inet ? rules.SOCKET : rules.SOCKET_UNIX, personality: rules.PERSONALITY_QUERY },
      }
    case 'moderate':
      return { allow: words(moderate), inspect: networked }
    case 'ai-agent':
      return { allow: words(agent), inspect: networked }
    case 'default':
      return { allow: words(agent + DEFAULT_ONLY), inspect: networked }
  }
}

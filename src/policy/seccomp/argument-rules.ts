import type { ArgumentRule, WordTest } from './rule.ts'
import { ALLOW, EAFNOSUPPORT, EPERM, EPROTONOSUPPORT } from './verdict.ts'

/**
 * Calls that are allowed with some arguments only. A filter sees the registers, never the memory they point to, so every
 * rule here is on a number.
 */

/** CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}, and NEWTIME, whose bit the old clone reads as a signal that does not exist. */
const NAMESPACE_FLAGS = 0x7e020080

/** Threads and processes, in the namespaces they have. The flags are argument 0 on both machines. */
export const CLONE: ArgumentRule = {
  clauses: [
    {
      when: [
        { arg: 0, mask: NAMESPACE_FLAGS, in: [0] },
        { arg: 0, word: 'high', in: [0] },
      ],
      verdict: ALLOW,
    },
  ],
  otherwise: EPERM,
}

/**
 * Limits of the caller itself, and asking for those of others. The kernel asks only for the same user, so that any command could take
 * process 1 its files and its processor time, and with them every later command of the sandbox.
 */
export const PRLIMIT: ArgumentRule = {
  clauses: [
    { when: [{ arg: 0, in: [0] }], verdict: ALLOW },
    {
      when: [
        { arg: 2, in: [0] },
        { arg: 2, word: 'high', in: [0] },
      ],
      verdict: ALLOW,
    },
  ],
  otherwise: EPERM,
}

const TIOCSTI = 0x5412
const TIOCLINUX = 0x541c
const TIOCCONS = 0x541d
const TIOCSETD = 0x5423

/** Everything but typing into a terminal, the console's paste, taking the console, and loading a line discipline. */
export const IOCTL: ArgumentRule = {
  clauses: [{ when: [{ arg: 1, in: [TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD] }], verdict: EPERM }],
  otherwise: ALLOW,
}

const AF_UNIX = 1
const AF_INET = 2
const AF_INET6 = 10
const AF_NETLINK = 16
const AF_PACKET = 17
const SOCK_STREAM = 1
const SOCK_DGRAM = 2
const NETLINK_ROUTE = 0

const internet: WordTest = { arg: 0, in: [AF_INET, AF_INET6] }
/** The type without SOCK_CLOEXEC and SOCK_NONBLOCK, as the kernel masks it. */
const type = (...types: readonly number[]): WordTest => ({ arg: 1, mask: 0xf, in: types })
const protocol = (...protocols: readonly number[]): WordTest => ({ arg: 2, in: protocols })

/**
 * Unix sockets, TCP (and MPTCP), UDP, ping, and asking for addresses and routes. What is left out: raw and packet
 * sockets, also in their old spelling (AF_INET with type 10), SCTP, DCCP, L2TP, and every family that only adds kernel
 * code to attack (vsock, alg, bluetooth, can, tipc, …).
 */
export const SOCKET: ArgumentRule = {
  clauses: [
    { when: [{ arg: 0, in: [AF_UNIX] }], verdict: ALLOW },
    { when: [internet, type(SOCK_STREAM), protocol(0, 6, 262)], verdict: ALLOW },
    { when: [internet, type(SOCK_DGRAM), protocol(0, 17, 1, 58)], verdict: ALLOW },
    { when: [internet, type(SOCK_STREAM, SOCK_DGRAM)], verdict: EPROTONOSUPPORT },
    { when: [{ arg: 0, in: [AF_INET, AF_INET6, AF_PACKET] }], verdict: EPERM },
    { when: [{ arg: 0, in: [AF_NETLINK] }, protocol(NETLINK_ROUTE)], verdict: ALLOW },
    { when: [{ arg: 0, in: [AF_NETLINK] }], verdict: EPROTONOSUPPORT },
  ],
  otherwise: EAFNOSUPPORT,
}

/** Unix sockets alone; also what `socketpair` may make, because no other family we allow knows pairs. */
export const SOCKET_UNIX: ArgumentRule = {
  clauses: [
    { when: [{ arg: 0, in: [AF_UNIX] }], verdict: ALLOW },
    { when: [{ arg: 0, in: [AF_PACKET] }], verdict: EPERM },
  ],
  otherwise: EAFNOSUPPORT,
}

/** The setuid and setgid bits of a mode. In a project of the real files such a program would lend its owner's rights to the host. */
const LENDING_BITS = 0o6000

const plainMode = (arg: number): ArgumentRule => ({
  clauses: [{ when: [{ arg, mask: LENDING_BITS, in: [0] }], verdict: ALLOW }],
  otherwise: EPERM,
})
/** chmod, fchmod and creat; fchmodat and fchmodat2. */
export const MODE_SECOND = plainMode(1)
export const MODE_THIRD = plainMode(2)

/** O_CREAT and the bit of O_TMPFILE; without them the mode is not looked at and may hold anything. */
const MAKES_FILE = 0x400040

const plainOpen = (flags: number): ArgumentRule => ({
  clauses: [
    { when: [{ arg: flags, mask: MAKES_FILE, in: [0] }], verdict: ALLOW },
    { when: [{ arg: flags + 1, mask: LENDING_BITS, in: [0] }], verdict: ALLOW },
  ],
  otherwise: EPERM,
})
export const OPEN = plainOpen(1)
export const OPENAT = plainOpen(2)

/** Type bits of a mode: none (a file), FIFO, file, socket. Character and block devices are left out. */
const plainFile = (arg: number): ArgumentRule => ({
  clauses: [{ when: [{ arg, mask: 0xf000 | LENDING_BITS, in: [0, 0x1000, 0x8000, 0xc000] }], verdict: ALLOW }],
  otherwise: EPERM,
})
export const MKNOD = plainFile(1)
export const MKNODAT = plainFile(2)

const personality = (...values: readonly number[]): ArgumentRule => ({
  clauses: [{ when: [{ arg: 0, in: values }], verdict: ALLOW }],
  otherwise: EPERM,
})
/** Asking only, or setting what is set already. */
export const PERSONALITY_QUERY = personality(0xffffffff, 0)
/** Also the 32-bit `uname`, the 2.6 version number, and no address randomisation (sanitizers re-execute with it). */
export const PERSONALITY = personality(0xffffffff, 0, 0x8, 0x20000, 0x20008, 0x40000)

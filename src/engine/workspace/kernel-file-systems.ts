import { statfsSync } from 'node:fs'
import { forFs } from './byte-path.ts'
import type { BytePath } from './byte-path.ts'

/** `f_type` of file systems that are views of the kernel, from linux/magic.h: proc, sysfs, cgroup 1 and 2, and so on. */
const KERNEL_TYPES: ReadonlySet<number> = new Set([
  0x9fa0, // proc
  0x62656572, // sysfs
  0x27e0eb, // cgroup
  0x63677270, // cgroup2
  0x64626720, // debugfs
  0x74726163, // tracefs
  0x73636673, // securityfs
  0x1cd1, // devpts
  0x19800202, // mqueue
  0xcafe4a11, // bpf
])

/** True for a mounted `proc`, `sysfs` and the like, such as in a chroot: without end, and never to be shown. */
export function isKernelFileSystem(path: BytePath): boolean {
  return KERNEL_TYPES.has(statfsSync(forFs(path)).type)
}

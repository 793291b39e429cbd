import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tunFinding } from '../../src/drivers/namespace/network.ts'
import { networkedRun } from './networked-run.ts'

/** Each attack is the body of a Python function: what it returns is what it could do. An OSError is a wall. */
const ATTACKS: Readonly<Record<string, string>> = {
  'makes a raw socket': 's.socket(s.AF_INET, s.SOCK_RAW, s.IPPROTO_ICMP)',
  'makes a packet socket': 's.socket(17, s.SOCK_RAW, 0x300)',
  'opens the device': 'os.open("/dev/net/tun", os.O_RDWR)',
  'makes the device': 'os.mknod("/tmp/tun", 0o20666, os.makedev(10, 200))',
  'takes the descriptor of process 1': '[os.open(f"/proc/1/fd/{n}", os.O_RDWR) for n in range(3, 30)]',
  'changes the address': 'fcntl.ioctl(UDP(), 0x8916, struct.pack("16sHH4s16x", b"tun0", 2, 0, bytes([10, 0, 0, 1])))',
  'changes the size of packets': 'fcntl.ioctl(UDP(), 0x8922, struct.pack("16si20x", b"tun0", 1000))',
  'adds a route':
    'netlink(24, struct.pack("BBBBBBBBI", 2, 8, 0, 0, 254, 4, 253, 1, 0) + struct.pack("HH4s", 8, 1, bytes([10, 0, 0, 0])) + struct.pack("HHI", 8, 4, 1))',
  'removes the route': 'netlink(25, struct.pack("BBBBBBBBI", 2, 0, 0, 0, 254, 0, 0, 0, 0), 5)',
  'adds a device': 'netlink(16, struct.pack("BxHiII", 0, 0, 0, 0, 0) + struct.pack("HHHH4s", 12, 18, 8, 1, b"veth"))',
  'takes a device down': 'fcntl.ioctl(UDP(), 0x8914, struct.pack("16sH22x", b"tun0", 0))',
  'makes namespaces of its own': 'call(libc.unshare(0x10000000 | 0x40000000))',
  'joins the namespaces of process 1': 'call(libc.setns(os.open("/proc/1/ns/net", 0), 0))',
  'becomes somebody with rights over the network':
    'call(libc.capset(ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0)), ctypes.create_string_buffer(struct.pack("6I", 1 << 12, 1 << 12, 0, 0, 0, 0))))',
  'sets a mark': 'UDP().setsockopt(s.SOL_SOCKET, 36, 7)',
  'talks from an address that is not its own': 'T().setsockopt(0, 19, 1)',
  'reaches a name of the host that is in no file system': 's.socket(s.AF_UNIX).connect("\\0" + NAME)',
  'reaches the loopback of the host': 'T().connect(("127.0.0.1", PORT))',
}

const PRELUDE = `
import ctypes, fcntl, os, socket as s, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def UDP(): return s.socket(s.AF_INET, s.SOCK_DGRAM)
def T():
  t = s.socket(); t.settimeout(5); return t
def call(result):
  if result != 0: raise OSError(ctypes.get_errno(), "")
def netlink(kind, body, flags=0x605):
  n = s.socket(16, s.SOCK_RAW, 0)
  n.send(struct.pack("IHHII", 16 + len(body), kind, flags, 1, 0) + body)
  code = struct.unpack("i", n.recv(4096)[16:20])[0]
  if code != 0: raise OSError(-code, "")
`

let base = ''
beforeAll(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'network-walls-')))
})
afterAll(() => rmSync(base, { recursive: true, force: true }))

const ready = tunFinding().status === 'ok' && existsSync('/usr/bin/python3')

describe.skipIf(!ready)('a program in a sandbox with a network (needs /dev/net/tun and python3)', () => {
  test.each(['moderate', 'default'])('can change nothing of it, under the filter %s', async (seccomp) => {
    const name = `agentkernel-test-${crypto.randomUUID()}`
    const visits: string[] = []
    const socket = { open: () => void visits.push('a visit'), data: () => undefined }
    const abstract = Bun.listen({ unix: `\0${name}`, socket })
    const tcp = Bun.listen({ hostname: '127.0.0.1', port: 0, socket })
    const attacks = Object.entries(ATTACKS).map(
      ([title, code]) => `try:\n  ${code}\n  print(${JSON.stringify(title)})\nexcept OSError: pass`,
    )
    const facts = `NAME = ${JSON.stringify(name)}\nPORT = ${tcp.port}`
    const script = `python3 - <<'END'\n${[PRELUDE, facts, ...attacks, 'print("done")'].join('\n')}\nEND`
    try {
      const { output, flows } = await networkedRun({ dataDir: base, script, permissions: { seccomp } })
      expect(output).toBe('done\n')
      expect({ flows, visits }).toEqual({ flows: [], visits: [] })
    } finally {
      abstract.stop(true)
      tcp.stop(true)
    }
  })
})

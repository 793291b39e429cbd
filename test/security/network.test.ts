import { describe, expect, test } from 'bun:test'
import { chownSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { descendantsOf } from '../conformance/sandbox-kit.ts'
import { type Attack, attackSuite, forBothCallers } from './attack.ts'
import { environmentOf, runCommand, type RunOptions } from './callers.ts'
import type { World } from './world.ts'

/** Where a program has to use the proxy on the loopback: what that says to a CONNECT, if it lets it through. */
const THROUGH_PROXY = `
def through_proxy(host):
    place = os.environ.get("HTTPS_PROXY", "").rpartition("/")[2]
    if not place: return set()
    s = socket.create_connection(place.split(":"), 10)
    s.sendall(b"CONNECT %s:443 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" % host.encode())
    text = s.recv(99)
    return {text} if b" 200 " in text else set()
`
/** By the device; and where there is none, in which case there is no route either. */
const ONLY_REFUSED = /^\['ECONNREFUSED'\]$|^\['ENETUNREACH'\]$/

/** What holds with and without a gateway: nothing here needs one to answer. */
const walls: readonly Attack[] = [
  {
    id: 'S41',
    title: 'every route leads to one device; where there is none, there is no route',
    code: `
routes = [line.split()[0] for line in read("/proc/net/route").splitlines()[1:]]
six = sorted(set(line.split()[-1] for line in read("/proc/net/ipv6_route").splitlines()))
return [sorted(name for _, name in socket.if_nameindex()), sorted(set(routes)), six]
`,
    expected: /^\[\['lo', 'tun0'\], \['tun0'\], \['lo', 'tun0'\]\]$|^\[\['lo'\], \[\], \['lo'\]\]$/,
  },
  {
    id: 'S41',
    title: 'nobody inside may change addresses, routes, devices or what a packet says of itself',
    code: `
import fcntl
name = max(name for _, name in socket.if_nameindex())
udp = lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def netlink(kind, body, flags=0x605):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.send(struct.pack("IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        code = struct.unpack("i", s.recv(65536)[16:20])[0]
        if code: raise OSError(-code, "")
tun = struct.pack("BBBBI", 2, 32, 0, 0, socket.if_nametoindex(name))
route = struct.pack("BBBBBBBBI", 2, 8, 0, 0, 254, 4, 253, 1, 0)
tries = [
    lambda: fcntl.ioctl(udp(), 0x8916, struct.pack("16sHH4s16x", name.encode(), 2, 0, bytes([10, 0, 0, 1]))),
    lambda: fcntl.ioctl(udp(), 0x8914, struct.pack("16sH22x", name.encode(), 0)),
    lambda: fcntl.ioctl(udp(), 0x8922, struct.pack("16si20x", name.encode(), 1000)),
    lambda: netlink(20, tun + struct.pack("HH4s", 8, 2, bytes([10, 0, 0, 1]))),
    lambda: netlink(24, route + struct.pack("HH4sHHI", 8, 1, bytes([10, 0, 0, 0]), 8, 4, 1)),
    lambda: netlink(25, struct.pack("BBBBBBBBI", 2, 0, 0, 0, 254, 0, 0, 0, 0), 5),
    lambda: netlink(16, struct.pack("BxHiII", 0, 0, 0, 0, 0) + struct.pack("HHHH4s", 12, 18, 8, 1, b"veth")),
    lambda: netlink(32, struct.pack("BBBBI", 2, 0, 0, 0, 0) + struct.pack("I", 0)),
    lambda: udp().setsockopt(socket.SOL_SOCKET, 36, 7),
    lambda: socket.socket().setsockopt(0, 19, 1),
    lambda: socket.socket().setsockopt(0, 64, bytes(100)),
]
return sorted(set(errno_of(attempt) for attempt in tries))
`,
    expected: /^\['EPERM'\]$|^\['ENOPROTOOPT', 'EPERM'\]$/,
  },
  {
    id: 'S41',
    title: 'the device cannot be opened, made, or taken from process 1',
    code: `
pidfd = os.pidfd_open(1)
results = [errno_of(os.open, path, os.O_RDWR) for path in ("/dev/net/tun", "/dev/tun", "/dev/vhost-net", "/dev/vsock")]
results += [errno_of(os.mknod, "/tmp/tun", 0o20666, os.makedev(10, 200))]
results += [errno_of(syscall, "pidfd_getfd", pidfd, number, 0) for number in range(3, 16)]
results += [errno_of(os.open, "/proc/1/fd/%d" % number, os.O_RDWR) for number in range(3, 16)]
return sorted(set(results))
`,
    expected: "['EACCES', 'ENOENT', 'EPERM']",
  },
  {
    id: 'S41',
    title: 'no other network can be made, joined, or borrowed from another namespace',
    code: `
import fcntl
own = os.open("/proc/self/ns/net", os.O_RDONLY)
def enter(path):
    syscall("setns", os.open(path, os.O_RDONLY), 0x40000000)
tries = [
    lambda: syscall("unshare", 0x40000000),
    lambda: syscall("unshare", 0x50000000),
    lambda: syscall("setns", own, 0x40000000),
    lambda: enter("/proc/1/ns/net"),
    lambda: syscall("setns", os.pidfd_open(1), 0x40000000),
    # Who owns the network: a user namespace above ours, which is nobody's to see.
    lambda: fcntl.ioctl(own, 0xB701),
]
return sorted(set(errno_of(attempt) for attempt in tries) - {"EACCES"})
`,
    expected: "['EPERM']",
  },
  {
    id: 'S44',
    title: 'addresses that names have elsewhere mean nothing here',
    code: `
${THROUGH_PROXY}
results = set()
for address in ["198.18.1.%d" % last for last in range(20)] + ["198.18.0.1", "198.18.0.7", "198.19.255.254", "fd61:6b00::1"]:
    for port in (80, 443, 5432):
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        s.settimeout(8)
        results.add(errno_of(s.connect, (address, port)))
return sorted(results | through_proxy("198.18.1.1"))
`,
    expected: ONLY_REFUSED,
  },
]

/** In a sandbox that no gateway serves. */
const closed: readonly Attack[] = [
  {
    id: 'S50',
    title: 'while no gateway is there, nothing is reached and no name is found, and that is said at once',
    code: `
${THROUGH_PROXY}
start = time.monotonic()
results = set()
for family, address in ((socket.AF_INET, "198.51.100.7"), (socket.AF_INET, "198.18.0.1"), (socket.AF_INET6, "2001:db8::1")):
    for port in (53, 80, 443):
        s = socket.socket(family)
        s.settimeout(10)
        results.add(errno_of(s.connect, (address, port)))
        u = socket.socket(family, socket.SOCK_DGRAM)
        u.settimeout(10)
        results.add(errno_of(lambda: (u.connect((address, port)), u.send(b"x"), u.recv(9))))
try:
    results.add(socket.gethostbyname("example.com"))
except OSError:
    pass
results |= through_proxy("198.51.100.7") | through_proxy("example.com")
return sorted(results) if time.monotonic() - start < 8 else "it took too long"
`,
    expected: ONLY_REFUSED,
  },
]

attackSuite('the network', walls)
attackSuite('the network with the permissive profile', walls, { flags: ['-p', 'permissive', '--workspace', 'none'] })
attackSuite('the network of a sandbox that stays, which no gateway serves', [...walls, ...closed], { stays: 'moderate' })

const VALUE = 'value-of-a-secret-0123456789'
const START = VALUE.slice(0, 12)

/** Looks for the value wherever a program can, without having it in its own arguments, and then waits to be looked at. */
const SEARCH = `
start=${START.slice(0, 6)}; echo "$start"${START.slice(6)} >/tmp/pattern
processes=$(cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -cFf /tmp/pattern)
files=$(grep -rlsFf /tmp/pattern --exclude=pattern --exclude-dir=proc --exclude-dir=sys --exclude-dir=usr -- / 2>/dev/null)
echo "environment $(env | grep -cFf /tmp/pattern), processes $processes, files $files"
echo "seen as $THE_KEY"
exec sleep 1000`
const NOTHING = 'environment 0, processes 0, files \nseen as ak-proxy-managed\n'

const ways: readonly { readonly way: string; readonly binding: string; readonly options: RunOptions; readonly isFile: boolean }[] = [
  { way: 'in the environment', binding: 'THE_KEY:api.example.com', options: { env: { THE_KEY: VALUE } }, isFile: false },
  { way: 'in a file', binding: 'THE_KEY=@../../the-key:api.example.com', options: {}, isFile: true },
  { way: 'on stdin', binding: 'THE_KEY=-:api.example.com', options: { wrapper: 'exec "$@" <../../the-key' }, isFile: true },
]

describe('a secret that is bound to a host', () => {
  forBothCallers('and is given', (world) => {
    test.each([...ways])('S48 $way is not inside, nor in our processes, files and records', async ({ binding, options, isFile }) => {
      const key = join(world().dir, 'the-key')
      if (isFile) writeKey(world(), key)
      const child = Bun.spawn(runCommand(world(), ['/bin/sh', '-c', SEARCH], { ...options, flags: ['-S', binding] }), {
        cwd: world().project,
        env: { ...environmentOf(world(), 'x'), ...options.env },
        stdin: 'ignore',
        stdout: 'pipe',
        stderr: 'pipe',
      })
      const stderr = child.stderr.text()
      try {
        expect(await firstLines(child.stdout, 2)).toBe(NOTHING)
        const below = descendantsOf(child.pid)
        // At least bubblewrap, process 1 and the command.
        expect(below.length).toBeGreaterThan(2)
        const own = isFile ? ['cmdline', 'environ'] : ['cmdline']
        const places = [
          ...own.map((name) => `/proc/${child.pid}/${name}`),
          ...below.flatMap((pid) => [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`]),
        ]
        expect(places.filter((path) => read(path).includes(VALUE))).toEqual([])
        expect(filesWith(world().home)).toEqual([])
      } finally {
        child.kill()
        await child.exited
        rmSync(key, { force: true })
      }
      expect(await stderr).not.toContain(VALUE)
      expect(filesWith(world().home)).toEqual([])
    })
  })
})

function writeKey({ caller }: World, path: string): void {
  writeFileSync(path, VALUE, { mode: 0o600 })
  chownSync(path, caller.uid, caller.uid)
}

async function firstLines(stream: ReadableStream<Uint8Array>, count: number): Promise<string> {
  let text = ''
  for await (const part of stream) {
    text += new TextDecoder().decode(part)
    if (text.split('\n').length > count) break
  }
  return text
}

/** Regular files below a folder that hold the value. */
function filesWith(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => read(path).includes(VALUE))
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    // It ended while we looked.
    return ''
  }
}

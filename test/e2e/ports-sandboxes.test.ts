import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { SandboxInfo } from '../../src/contract/sandboxes.ts'
import { LONG_MS, SandboxUser } from './cli-kit.ts'
import { askUdp, freePort, knock, WEB } from './ports-kit.ts'

let user: SandboxUser
beforeAll(() => {
  user = new SandboxUser()
})
afterAll(() => user.dispose())

const info = async (name: string): Promise<SandboxInfo> => (await user.json(['sandbox', 'info', name])) as SandboxInfo
const create = async (name: string, ...flags: string[]) => (await user.json(['sandbox', 'create', name, ...flags])) as SandboxInfo
/** The host's port of the only one that is published. */
const hostPort = ({ ports = [] }: SandboxInfo): number => Number(/^(\d+):80$/.exec(ports[0] ?? '')?.[1])

/** Starts a web server inside, and waits until it answers outside. */
async function serve(name: string, port: number): Promise<string> {
  await user.out(['exec', '-d', name, '--', 'python3', '-c', WEB, '80'])
  return answer(port)
}

async function answer(port: number): Promise<string> {
  for (const deadline = performance.now() + 10_000; performance.now() < deadline; await Bun.sleep(20)) {
    try {
      return await (await fetch(`http://127.0.0.1:${port}/`)).text()
    } catch {
      // Not yet.
    }
  }
  throw new Error(`no answer on port ${port}`)
}

/** Listens on a port as soon as it is free. */
async function takeOver(port: number) {
  for (const deadline = performance.now() + 5_000; performance.now() < deadline; await Bun.sleep(1)) {
    try {
      return Bun.serve({ port, hostname: '127.0.0.1', fetch: () => new Response('mine') })
    } catch {
      // Its owner is not gone yet.
    }
  }
  throw new Error(`port ${port} was not free in time`)
}

describe('sandbox create --publish', () => {
  test(
    'has its port while it runs, with the same number after a stop',
    async () => {
      const made = await create('box', '-p', '80', '--no-network')
      const port = hostPort(made)
      expect(port).toBeGreaterThan(1023)
      expect(await knock(port)).toBe('reset')
      expect(await serve('box', port)).toBe('hello from inside')
      const listed = (await user.json(['sandbox', 'list'])) as SandboxInfo[]
      expect(listed.map(({ ports }) => ports)).toEqual([[`${port}:80`]])
      expect(await user.out(['sandbox', 'list'])).toContain(`${port}:80`)
      await user.out(['sandbox', 'stop', 'box'])
      expect((await info('box')).ports).toEqual(['80'])
      expect(await knock(port)).toBe('refused')
      await user.out(['sandbox', 'start', 'box'])
      expect((await info('box')).ports).toEqual([`${port}:80`])
      expect(await serve('box', port)).toBe('hello from inside')
      await user.out(['sandbox', 'remove', 'box'])
      expect(await knock(port)).toBe('refused')
    },
    LONG_MS,
  )

  test(
    'has its port again after the daemon was killed, also one that the host chose',
    async () => {
      const port = hostPort(await create('kept', '-p', '80'))
      await serve('kept', port)
      const { pid } = (await user.json(['daemon', 'status'])) as { pid: number }
      process.kill(pid, 'SIGKILL')
      // Whoever asks brings the next one, if no sandbox did.
      await user.out(['sandbox', 'list'])
      expect(await answer(port)).toBe('hello from inside')
      expect((await info('kept')).ports).toEqual([`${port}:80`])
      await user.out(['sandbox', 'remove', 'kept'])
    },
    LONG_MS,
  )

  test(
    'goes on without a port that somebody took while no daemon was there, and says so',
    async () => {
      const port = freePort()
      await create('robbed', '-p', `${port}:80`)
      const { pid } = (await user.json(['daemon', 'status'])) as { pid: number }
      process.kill(pid, 'SIGKILL')
      using thief = await takeOver(port)
      expect(await user.out(['exec', 'robbed', 'echo', 'still here'])).toBe('still here\n')
      expect(await info('robbed')).toMatchObject({ status: 'running' })
      expect((await info('robbed')).ports).toBeUndefined()
      await thief.stop(true)
      await user.out(['sandbox', 'stop', 'robbed'])
      await user.out(['sandbox', 'start', 'robbed'])
      expect(await serve('robbed', port)).toBe('hello from inside')
      await user.out(['sandbox', 'remove', 'robbed'])
    },
    LONG_MS,
  )

  test(
    'fails where the port is in use, names it, and leaves nothing half open',
    async () => {
      const [port, other] = [freePort(), freePort()]
      await create('first', '-p', `${port}:80`)
      const second = await user.ak(['sandbox', 'create', 'second', '-p', `${other}:81`, '-p', `${port}:80`])
      expect(second.code).not.toBe(0)
      expect(second.stderr).toContain(`127.0.0.1:${port}`)
      expect((await user.ak(['sandbox', 'info', 'second'])).code).not.toBe(0)
      expect(await knock(other)).toBe('refused')
      await create('second', '-p', `${port}:80`, '--no-start')
      expect((await user.ak(['sandbox', 'start', 'second'])).stderr).toContain(`port 127.0.0.1:${port} of this machine is in use`)
      const failed = await info('second')
      expect(failed.status).toBe('failed')
      expect(failed.failure).toContain(String(port))
      expect(await serve('first', port)).toBe('hello from inside')
      await user.out(['sandbox', 'remove', 'first'])
      await user.out(['sandbox', 'start', 'second'])
      expect(await serve('second', port)).toBe('hello from inside')
      await user.out(['sandbox', 'remove', 'second'])
    },
    LONG_MS,
  )

  test(
    'warns of an address beyond this machine, and passes datagrams',
    async () => {
      const port = freePort()
      const made = await create('wide', '-p', `0.0.0.0:${port}:53/udp`)
      expect(made.ports).toEqual([`0.0.0.0:${port}:53/udp`])
      expect(made.warnings?.join()).toContain('everyone on your network can reach it')
      const script = `
import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('0.0.0.0', 53))
while True:
  data, who = u.recvfrom(2000); u.sendto(b'got ' + data, who)`
      await user.out(['exec', '-d', 'wide', '--', 'python3', '-c', script])
      expect((await askUdp(port, 'hello')).toString()).toBe('got hello')
      await user.out(['sandbox', 'remove', 'wide'])
    },
    LONG_MS,
  )

  test(
    'is what run --keep does with --publish',
    async () => {
      const port = freePort()
      await user.out(['run', '--keep', '-P', `${port}:80`, 'true'])
      const [kept] = (await user.json(['sandbox', 'list'])) as SandboxInfo[]
      expect(kept?.ports).toEqual([`${port}:80`])
      expect(await serve(kept?.name ?? '', port)).toBe('hello from inside')
      await user.out(['sandbox', 'remove', kept?.name ?? ''])
    },
    LONG_MS,
  )

  test(
    'keeps commands going while strangers hold all connections to a port',
    async () => {
      const port = hostPort(await create('busy', '-p', '80'))
      const idle = 'import socket,time; s=socket.create_server(("",80),backlog=4096); time.sleep(1000)'
      await user.out(['exec', '-d', 'busy', '--', 'python3', '-c', idle])
      const { connect } = await import('node:net')
      const sockets = Array.from({ length: 300 }, () => connect(port, '127.0.0.1').on('error', () => undefined))
      await Bun.sleep(500)
      expect(await user.out(['exec', 'busy', 'echo', 'still here'])).toBe('still here\n')
      for (const socket of sockets) socket.destroy()
      await user.out(['sandbox', 'remove', 'busy'])
    },
    LONG_MS,
  )
})

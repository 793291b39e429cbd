import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { eventually, User, within } from './kit.ts'
import { askUdp, freePort, going, knock, WEB } from './ports-kit.ts'

let user: User
beforeAll(() => {
  user = new User()
})
afterAll(() => user.remove())

const web = (flags: readonly string[], port = 80) => going(user, [...flags, 'python3', '-c', WEB, String(port)])

describe('run --publish', () => {
  test.each([
    ['without a network', ['--no-network']],
    ['with a network', ['--network', 'public']],
    ['with the strictest profile', ['-p', 'restrictive']],
  ])('%s leads to a server inside, both ways, and nothing listens afterwards', async (_, flags) => {
    const run = await web([...flags, '-P', '80'])
    const url = `http://127.0.0.1:${run.port(80)}/`
    const content = 'x'.repeat(3_000_000)
    const reply = await fetch(url, { method: 'POST', body: content })
    expect((await reply.text()) === content).toBe(true)
    expect(await (await fetch(`${url}end`)).text()).toBe('hello from inside')
    expect(await within(run.ended, 'the end of the run')).toBe(0)
    expect(await knock(run.port(80))).toBe('refused')
  })

  test('passes datagrams and their answers, with their borders', async () => {
    const script = `
import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('0.0.0.0', 53)); print('listening', flush=True)
while True:
  data, who = u.recvfrom(70000); u.sendto(b'%d:' % len(data) + data[:10], who)`
    const run = await going(user, ['--no-network', '-P', '53/udp', 'python3', '-c', script])
    expect((await askUdp(run.port(53), 'hello')).toString()).toBe('5:hello')
    expect((await askUdp(run.port(53), new Uint8Array(60_000))).toString()).toStartWith('60000:')
    run.child.kill('SIGTERM')
    await within(run.ended, 'the end of the run')
  })

  test('to a port that is in use fails before the command starts, and says which', async () => {
    using taken = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('mine') })
    const free = freePort()
    const { code, stdout, stderr } = await user.agentkernel(['run', '-P', `${free}:81`, '-P', `${taken.port}:80`, 'echo', 'ran'])
    expect([code, stdout]).toEqual([125, ''])
    expect(stderr).toContain(`127.0.0.1:${taken.port}`)
    expect(stderr).toContain('in use')
    expect(await knock(free)).toBe('refused')
  })

  test('says the chosen port in --json, and shows what it was asked for', async () => {
    const port = freePort()
    const { stdout } = await user.agentkernel(['run', '--json', '--no-network', '-P', `${port}:80`, '-P', '53/udp', 'true'])
    const { ports } = JSON.parse(stdout) as { ports: string[] }
    expect(ports).toEqual([`${port}:80`, expect.stringMatching(/^\d{2,5}:53\/udp$/)])
    expect(JSON.parse((await user.agentkernel(['run', '--json', 'true'])).stdout)).not.toHaveProperty('ports')
  })

  test('warns of an address beyond this machine', async () => {
    const { stderr } = await user.agentkernel(['run', '--no-network', '-P', '0.0.0.0::80', 'true'])
    expect(stderr).toContain('everyone on your network can reach it')
    expect((await user.agentkernel(['run', '--no-network', '-P', '80', 'true'])).stderr).not.toContain('everyone')
  })

  test('breaks connections while nobody listens inside, and passes them later', async () => {
    const script = 'echo up; read line < /tmp/go; exec python3 -c "$0" 8080'
    const run = await going(user, [
      '--no-network',
      '-P',
      '8080',
      '-P',
      '9',
      'sh',
      '-c',
      `mkfifo /tmp/go; (sleep 1; echo > /tmp/go) & ${script}`,
      WEB,
    ])
    expect(await knock(run.port(8080))).toBe('reset')
    await eventually(() => run.stdout().includes('listening'), 'the server')
    expect(await (await fetch(`http://127.0.0.1:${run.port(8080)}/end`)).text()).toBe('hello from inside')
    await within(run.ended, 'the end of the run')
  })

  test('delivers what a server said last before it ended', async () => {
    const script = `
import socket
s = socket.create_server(('', 8080)); print('listening', flush=True)
c, _ = s.accept(); c.sendall(b'x' * 2_000_000)`
    const run = await going(user, ['--no-network', '-P', '8080', 'python3', '-c', script])
    let got = 0
    const socket = connect(run.port(8080), '127.0.0.1')
    const over = new Promise<void>((resolve, reject) => socket.on('end', resolve).on('error', reject))
    socket.on('data', (bytes) => (got += bytes.length))
    await within(over, 'the end of the connection')
    expect(got).toBe(2_000_000)
    expect(await within(run.ended, 'the end of the run')).toBe(0)
  })

  test('listens no more when it is killed', async () => {
    const run = await web(['--no-network', '-P', '80'])
    run.child.kill('SIGKILL')
    await within(run.ended, 'the end of the run')
    expect(await knock(run.port(80))).toBe('refused')
  })

  test('keeps its connection from the command, which can publish nothing more', async () => {
    const script = `
import os, socket
held = [fd for fd in range(3, 64) if os.path.exists('/proc/self/fd/%d' % fd)]
try: spied = os.listdir('/proc/1/fd')
except PermissionError: spied = 'denied'
other = socket.create_server(('', 8081))
print(held, spied, flush=True)
input()`
    const run = await going(user, [
      '--no-network',
      '-P',
      '8080',
      'python3',
      '-c',
      `import os\n${script.replace('input()', 'import time; time.sleep(30)')}`,
    ])
    expect(run.stdout()).toBe('[] denied\n')
    expect(await knock(8081)).toBe('refused')
    run.child.kill('SIGTERM')
    await within(run.ended, 'the end of the run')
  })

  test('takes no memory for a caller who does not read, nor for datagrams that nobody takes', async () => {
    const script = `
import socket, threading
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('0.0.0.0', 53))
s = socket.create_server(('', 8080)); print('listening', flush=True)
while True:
  c, _ = s.accept()
  threading.Thread(target=lambda c=c: [c.sendall(b'x' * 65536) for _ in range(4000)], daemon=True).start()`
    const run = await going(user, ['--no-network', '-P', '8080', '-P', '53/udp', 'python3', '-c', script])
    const before = residentMiB(run.child.pid ?? 0)
    const idle = Array.from({ length: 8 }, () => connect(run.port(8080), '127.0.0.1').on('error', () => undefined))
    for (const socket of idle) socket.pause()
    const flood = await Bun.udpSocket({ hostname: '127.0.0.1' })
    const datagram = new Uint8Array(32_768)
    for (let round = 0; round < 100; round++) {
      for (let count = 0; count < 20; count++) flood.send(datagram, run.port(53), '127.0.0.1')
      await Bun.sleep(10)
    }
    expect(residentMiB(run.child.pid ?? 0) - before).toBeLessThan(64)
    flood.close()
    for (const socket of idle) socket.destroy()
    run.child.kill('SIGTERM')
    await within(run.ended, 'the end of the run')
  })
})

const residentMiB = (pid: number): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

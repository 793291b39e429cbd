import { expect } from 'bun:test'
import type { ConformanceCase } from '../kit.ts'

const claim: ConformanceCase['claim'] = { says: 'no network exists inside', made: (facts) => facts.isolation !== 'process' }

/** Prints `connected` when a TCP connection to the port succeeds, with whatever tool is there. */
function connectScript(port: number): string {
  return [
    `if command -v bash >/dev/null; then bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port}' 2>/dev/null && echo connected`,
    `elif command -v nc >/dev/null; then nc -w 2 127.0.0.1 ${port} </dev/null >/dev/null 2>&1 && echo connected`,
    `else echo no tool; fi; echo done`,
  ].join('\n')
}

/** Attacks on the claim that a sandbox without a network has none. */
export const networkCases: readonly ConformanceCase[] = [
  {
    name: 'no interface but the loopback exists inside',
    claim,
    run: async ({ sh }) => {
      const table = await sh('cat /proc/net/dev')
      const names = [...table.matchAll(/^\s*([^\s:|]+):/gm)].map((match) => match[1])
      expect(names).toEqual(['lo'])
    },
  },
  {
    name: 'a listener of the host on 127.0.0.1 cannot be reached',
    claim,
    run: async ({ sh }) => {
      const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: () => undefined, open: (socket) => void socket.end() } })
      try {
        // The same script on the host connects, so a failure inside means something.
        const control = Bun.spawn(['sh', '-c', connectScript(server.port)], { stdout: 'pipe', stdin: 'ignore' })
        expect(await control.stdout.text()).toBe('connected\ndone\n')
        expect(await sh(connectScript(server.port))).toBe('done\n')
      } finally {
        server.stop(true)
      }
    },
  },
]

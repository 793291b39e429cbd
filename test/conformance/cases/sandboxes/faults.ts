import { expect } from 'bun:test'
import { refusal, type SandboxCase, type SandboxKit } from '../../sandbox-kit.ts'

/** Kills each process that holds a sandbox in turn, and looks whether the rest follows and it can be started again. */
async function killEach(kit: SandboxKit): Promise<number> {
  let index = 0
  for (let more = true; more; index++) {
    const box = await kit.start()
    await kit.sh(box, 'echo kept > file')
    const holders = kit.processes(box)
    more = index + 1 < holders.length
    process.kill(holders[index]!, 'SIGKILL')
    await kit.becomes(box, 'stopped')
    await kit.stop(box)
    await kit.ended(holders)
    await kit.start(box)
    expect(await kit.sh(box, 'cat file')).toBe('kept\n')
    await kit.verbs.destroy(box.handle, kit.signal)
  }
  return index
}

/** Crashes of ours and of what we start, callers that give up, and handles that are older than the truth. */
export const faultCases: readonly SandboxCase[] = [
  {
    name: 'whichever of its processes is killed, the whole sandbox stops and can be started again',
    run: async (kit) => {
      // At least the shim and the agent.
      expect(await killEach(kit)).toBeGreaterThanOrEqual(2)
    },
  },
  {
    name: 'a sandbox outlives who started it, and everything is known of it by who comes after',
    run: async (kit) => {
      const box = await kit.start()
      const stream = await kit.background(box, 'echo ready; exec sleep 1000')
      const later = await kit.another()
      expect(await later.inspect(box.handle, kit.signal)).toBe('running')
      const again = await later.start(box.handle, box.spec, kit.signal)
      expect(later.connect(again)).toEqual(kit.verbs.connect(box.handle))
      stream.cancel()
      await later.stop(again, 0, kit.signal)
      expect(await kit.state(box)).toBe('stopped')
      await later.destroy(again, kit.signal)
      expect(await kit.state(box)).toBe('gone')
    },
  },
  {
    name: 'a handle from before the start is enough to find, stop and destroy what runs',
    run: async (kit) => {
      for (const verb of ['stop', 'destroy'] as const) {
        const box = kit.plan()
        const planned = box.handle
        box.handle = await kit.verbs.create(planned, box.spec, kit.signal)
        await kit.start(box)
        const holders = kit.processes(box)
        const later = await kit.another()
        expect(await later.inspect(planned, kit.signal)).toBe('running')
        if (verb === 'stop') await later.stop(planned, 0, kit.signal)
        else await later.destroy(planned, kit.signal)
        expect(await later.inspect(planned, kit.signal)).toBe(verb === 'stop' ? 'stopped' : 'gone')
        await kit.ended(holders)
      }
    },
  },
  {
    name: 'a handle from an earlier start does not take another process for the sandbox',
    run: async (kit) => {
      const box = await kit.start()
      const old = box.handle
      await kit.stop(box)
      expect(await kit.verbs.inspect(old, kit.signal)).toBe('stopped')
      await kit.start(box)
      expect(await kit.verbs.inspect(old, kit.signal)).toBe('running')
      await kit.verbs.stop(old, 0, kit.signal)
      expect(await kit.state(box)).toBe('stopped')
      await kit.verbs.destroy(old, kit.signal)
      expect(await kit.state(box)).toBe('gone')
    },
  },
  {
    name: 'a start that is given up at any moment leaves nothing running, and the files',
    run: async (kit) => {
      const box = await kit.create()
      for (let moment = 0; moment < 12; moment++) {
        const giveUp = new AbortController()
        const starting = refusal(() => kit.verbs.start(box.handle, box.spec, giveUp.signal))
        // Moments spread over the time a start takes.
        await Bun.sleep(moment * 2)
        giveUp.abort()
        const code = await starting
        expect(['canceled', 'no error']).toContain(code)
        if (code === 'canceled') expect(await kit.state(box)).toBe('stopped')
        else await kit.stop(box)
      }
      await kit.start(box)
      expect(await kit.sh(box, 'echo works')).toBe('works\n')
    },
  },
  {
    name: 'a sandbox is destroyed right after its start was given up',
    run: async (kit) => {
      for (let moment = 0; moment < 8; moment++) {
        const box = await kit.create()
        const giveUp = new AbortController()
        const starting = refusal(() => kit.verbs.start(box.handle, box.spec, giveUp.signal))
        await Bun.sleep(moment * 3)
        giveUp.abort()
        await starting
        await kit.verbs.destroy(box.handle, kit.signal)
        expect(await kit.state(box)).toBe('gone')
      }
    },
  },
  {
    name: 'a caller that gave up before the start gets canceled',
    run: async (kit) => {
      const box = await kit.create()
      const givenUp = AbortSignal.abort()
      expect(await refusal(() => kit.verbs.start(box.handle, box.spec, givenUp))).toBe('canceled')
      expect(await kit.state(box)).toBe('stopped')
    },
  },
  {
    name: 'sweeping removes sandboxes that nobody knows, running or not, and leaves the others alone',
    run: async (kit) => {
      const known = await kit.start()
      const unknown = [await kit.start(), await kit.create()]
      const holders = kit.processes(unknown[0]!)
      const later = await kit.another()
      expect(await later.sweep((id) => id === known.spec.id, kit.signal)).toBe(2)
      for (const box of unknown) expect(await kit.state(box)).toBe('gone')
      await kit.ended(holders)
      expect(await kit.sh(known, 'echo here')).toBe('here\n')
      expect(await later.sweep((id) => id === known.spec.id, kit.signal)).toBe(0)
    },
  },
  {
    name: 'files are removed whatever the workload made of them',
    run: async (kit) => {
      const box = await kit.start()
      await kit.sh(
        box,
        [
          'mkdir -p locked/inner; touch locked/inner/x; chmod 0 locked/inner locked',
          'mkdir ro; touch ro/x; chmod 555 ro; chmod 0 "$HOME"',
          'ln -s / root; ln -s ../.. up; mkfifo fifo; touch -- -rf "$(printf "a\\nb")" "$(printf "\\377")"',
          'i=0; while [ $i -lt 300 ]; do mkdir a-folder-with-a-long-name && cd a-folder-with-a-long-name; i=$((i+1)); done',
        ].join('\n'),
      )
      await kit.verbs.destroy(box.handle, kit.signal)
      expect(await kit.state(box)).toBe('gone')
    },
  },
]

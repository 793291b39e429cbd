import { expect } from 'bun:test'
import { refusal, type SandboxCase } from '../../sandbox-kit.ts'

/** Every verb, from every state it may be called in, once and again. */
export const lifecycleCases: readonly SandboxCase[] = [
  {
    name: 'a sandbox is gone, stopped, running, stopped and gone again, as it is planned, made, started, stopped and destroyed',
    run: async (kit) => {
      const box = kit.plan()
      expect(await kit.state(box)).toBe('gone')
      box.handle = await kit.verbs.create(box.handle, box.spec, kit.signal)
      expect(await kit.state(box)).toBe('stopped')
      await kit.start(box)
      expect(await kit.state(box)).toBe('running')
      expect(await kit.sh(box, 'echo hello')).toBe('hello\n')
      await kit.stop(box)
      expect(await kit.state(box)).toBe('stopped')
      await kit.verbs.destroy(box.handle, kit.signal)
      expect(await kit.state(box)).toBe('gone')
    },
  },
  {
    name: 'planning makes nothing, and the same plan each time',
    run: async (kit) => {
      const box = kit.plan()
      expect(kit.verbs.plan(box.spec)).toEqual(kit.verbs.plan(box.spec))
      expect(await kit.verbs.sweep(() => false, kit.signal)).toBe(0)
    },
  },
  {
    name: 'making a sandbox again changes nothing in it',
    run: async (kit) => {
      const box = await kit.start()
      await kit.sh(box, 'echo kept > file; echo kept > "$HOME/file"')
      await kit.stop(box)
      box.handle = await kit.verbs.create(box.handle, box.spec, kit.signal)
      await kit.start(box)
      expect(await kit.sh(box, 'cat file "$HOME/file"')).toBe('kept\nkept\n')
    },
  },
  {
    name: 'starting one that runs leaves it as it is',
    run: async (kit) => {
      const box = await kit.start()
      await kit.background(box, 'echo ready; exec sleep 1000')
      const before = kit.processes(box)
      await kit.start(box)
      expect(kit.processes(box)).toEqual(before)
      expect(await kit.sh(box, 'echo still here')).toBe('still here\n')
    },
  },
  {
    name: 'stopping one that does not run changes nothing, whether it ever ran or not',
    run: async (kit) => {
      const box = await kit.create()
      await kit.stop(box)
      expect(await kit.state(box)).toBe('stopped')
      await kit.start(box)
      for (let i = 0; i < 2; i++) {
        await kit.stop(box)
        expect(await kit.state(box)).toBe('stopped')
      }
      await kit.start(box)
      expect(await kit.sh(box, 'echo up')).toBe('up\n')
    },
  },
  {
    name: 'destroying works from every state, and again when it is gone',
    run: async (kit) => {
      const planned = kit.plan()
      const made = await kit.create()
      const stopped = await kit.start()
      await kit.stop(stopped)
      const running = await kit.start()
      await kit.background(running, 'echo ready; exec sleep 1000')
      for (const box of [planned, made, stopped, running]) {
        for (let i = 0; i < 2; i++) {
          await kit.verbs.destroy(box.handle, kit.signal)
          expect(await kit.state(box)).toBe('gone')
        }
      }
      expect(await kit.verbs.sweep(() => false, kit.signal)).toBe(0)
    },
  },
  {
    name: 'a stopped sandbox has no address',
    run: async (kit) => {
      const box = await kit.create()
      expect(await refusal(() => kit.verbs.connect(box.handle))).toBe('sandbox_not_running')
      await kit.start(box)
      expect(kit.verbs.connect(box.handle).socketPath).toStartWith('/')
      await kit.stop(box)
      expect(await refusal(() => kit.verbs.connect(box.handle))).toBe('sandbox_not_running')
    },
  },
  {
    name: 'one whose files are gone cannot be started',
    run: async (kit) => {
      const box = await kit.create()
      await kit.verbs.destroy(box.handle, kit.signal)
      expect(await refusal(() => kit.verbs.start(box.handle, box.spec, kit.signal))).toBe('sandbox_start_failed')
      expect(await kit.state(box)).toBe('gone')
    },
  },
  {
    name: 'commands are told to end before they are killed when there is time',
    run: async (kit) => {
      const box = await kit.start()
      await kit.background(box, 'trap "echo told > told; exit" TERM; echo ready; while :; do sleep 0.01; done')
      await kit.stop(box, 20_000)
      await kit.start(box)
      expect(await kit.sh(box, 'cat told')).toBe('told\n')
    },
  },
  {
    name: 'commands that do not listen end with their sandbox',
    run: async (kit) => {
      const box = await kit.start()
      await kit.background(box, 'trap "" TERM INT HUP; (trap "" TERM; while :; do sleep 0.01; done) & setsid sleep 1000 & echo ready; wait')
      const all = kit.processes(box)
      await kit.stop(box, 100)
      expect(all.length).toBeGreaterThan(4)
      await kit.ended(all)
    },
  },
  {
    name: 'two sandboxes at once do not meet',
    run: async (kit) => {
      const [one, two] = [await kit.start({ name: 'one' }), await kit.start({ name: 'two' })]
      await kit.sh(one, 'echo one > file; echo one > "$HOME/file"')
      expect(await kit.sh(two, 'ls; ls "$HOME"')).toBe('')
      await kit.verbs.destroy(one.handle, kit.signal)
      expect(await kit.sh(two, 'echo here')).toBe('here\n')
    },
  },
  {
    name: 'a burst of twelve is made, started, used and destroyed at once',
    run: async (kit) => {
      const boxes = await Promise.all(Array.from({ length: 12 }, (_, i) => kit.start({ name: `box-${i}` })))
      const said = await Promise.all(boxes.map((box, i) => kit.sh(box, `echo ${i} > file; cat file`)))
      expect(said).toEqual(boxes.map((_, i) => `${i}\n`))
      await Promise.all(boxes.map((box) => kit.verbs.destroy(box.handle, kit.signal)))
      for (const box of boxes) expect(await kit.state(box)).toBe('gone')
    },
  },
  {
    name: 'every command gets a search path, a home it can write, and the workspace to start in',
    run: async (kit) => {
      const box = await kit.start()
      expect(await kit.sh(box, 'echo x > "$HOME/x" && echo y > y && cat "$HOME/x" y && command -v sh > /dev/null && echo found')).toBe(
        'x\ny\nfound\n',
      )
      expect(await kit.sh(box, 'pwd')).toBe(`${box.handle.guest?.cwd}\n`)
    },
  },
  {
    name: 'an image that is not there is refused',
    run: async (kit) => {
      const box = kit.plan({ image: 'alpine:3' })
      expect(await refusal(() => kit.verbs.create(box.handle, box.spec, kit.signal))).toBe('not_available_yet')
      expect(await kit.state(box)).toBe('gone')
    },
  },
]

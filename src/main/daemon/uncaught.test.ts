import { expect, test } from 'bun:test'
import { join } from 'node:path'

/** Runs a script with our module in a process of its own. `log` writes to its standard output. */
async function run(script: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const module = JSON.stringify(join(import.meta.dir, 'uncaught.ts'))
  const start = `const { writeDownBugs } = await import(${module})\nconst stop = writeDownBugs((text) => console.log(text.split('\\n')[0]))\n`
  const child = Bun.spawn([process.execPath, '-e', start + script], { stdout: 'pipe', stderr: 'pipe' })
  const [code, stdout, stderr] = await Promise.all([child.exited, child.stdout.text(), child.stderr.text()])
  return { code, stdout, stderr }
}

test('a promise that fails with nobody looking is written down, and the process goes on', async () => {
  const ended = await run(`
    void Promise.reject(new Error('forgotten'))
    void Promise.reject('not even an error')
    setTimeout(() => console.log('still here'), 1)
  `)
  expect(ended).toEqual({
    code: 0,
    stdout: 'bug: a failure that nobody looked at: Error: forgotten\nbug: a failure that nobody looked at: not even an error\nstill here\n',
    stderr: '',
  })
})

test('an exception that nobody caught is written down and ends the process', async () => {
  const { code, stdout, stderr } = await run(`
    setTimeout(() => { throw new Error('thrown') }, 0)
    setTimeout(() => console.log('never'), 1000)
  `)
  expect({ code, stdout }).toEqual({ code: 70, stdout: 'bug: the daemon ends, for nobody caught this: Error: thrown\n' })
  expect(stderr).toContain('Error: thrown')
})

test('afterwards nothing is different from before', async () => {
  const { code, stdout } = await run(`stop(); void Promise.reject(new Error('forgotten')); setTimeout(() => console.log('never'), 1000)`)
  expect(code).not.toBe(0)
  expect(stdout).toBe('')
})

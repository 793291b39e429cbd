import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AgentKernel } from '../../sdk/typescript/src/index.ts'
import { docExamples } from '../../sdk/typescript/test/doc-examples.ts'
import { type InstalledPackage, installPackage } from '../../sdk/typescript/test/installed-package.ts'
import { runtimes } from '../../sdk/typescript/test/runtimes.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'

/** Every example of the SDK's pages, as a program that has installed the package, against a real server. */
let daemon: TestDaemon
let installed: InstalledPackage
beforeAll(async () => {
  const made = await Promise.all([startDaemon({ keys: ['key-1'] }), installPackage()])
  daemon = made[0]
  installed = made[1]
  await new AgentKernel({ baseUrl: daemon.url, apiKey: 'key-1' }).createSandbox('box')
})
afterAll(async () => {
  installed[Symbol.dispose]()
  await daemon.dispose()
})

const RUN_LIMIT_MS = 20_000
const examples = ['docs/sdk-typescript.md', 'sdk/typescript/README.md'].flatMap(docExamples).filter(({ runs }) => runs)

/** What the example says it prints: one word after `//` on a line that prints. */
function promised(code: string): string[] {
  return [...code.matchAll(/\bconsole\.log\(.*\/\/ (\S+)$/gm)].map((match) => match[1]!)
}

async function run(command: readonly string[], script: string): Promise<{ code: unknown; out: string; err: string }> {
  const env = { PATH: process.env['PATH'], HOME: installed.project, AGENTKERNEL_BASE_URL: daemon.url, AGENTKERNEL_API_KEY: 'key-1' }
  const child = spawn(command[0]!, [...command.slice(1), script], { cwd: installed.project, env, timeout: RUN_LIMIT_MS })
  const said = { out: '', err: '' }
  child.stdout.on('data', (text) => (said.out += String(text)))
  child.stderr.on('data', (text) => (said.err += String(text)))
  const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve))
  return { code, ...said }
}

// The others read neither types nor `await using` by themselves.
for (const { title, command, missing } of runtimes().filter((runtime) => /Bun|Node 24/.test(runtime.title))) {
  describe.skipIf(missing !== undefined)(missing === undefined ? `on ${title}, the example` : `${title} (${missing})`, () => {
    for (const { name, code } of examples) {
      test(`${name} does what it says`, async () => {
        const script = join(installed.project, `${name}.mts`)
        writeFileSync(script, code)
        const { code: status, out, err } = await run(command, script)
        // What an example prints as an error is meant.
        expect({ status, err: /\bconsole\.error\b/.test(code) ? '' : err }).toEqual({ status: 0, err: '' })
        const lines = out.split(/[\n ]/)
        expect(promised(code).filter((word) => !lines.includes(word))).toEqual([])
      })
    }
  })
}

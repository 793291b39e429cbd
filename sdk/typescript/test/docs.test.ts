import { describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AgentKernel, AgentKernelError } from '../src/index.ts'
import * as sdk from '../src/index.ts'
import { docExamples } from './doc-examples.ts'
import { installPackage } from './installed-package.ts'

const ROOT = join(import.meta.dir, '../../..')
const PAGES = ['docs/sdk-typescript.md', 'sdk/typescript/README.md']
const page = readFileSync(join(ROOT, 'docs/sdk-typescript.md'), 'utf8')

describe('the documentation', () => {
  test('has examples that compile with the package as it is installed', async () => {
    using installed = await installPackage()
    const examples = PAGES.flatMap(docExamples)
    expect(examples.length).toBeGreaterThan(20)
    // `ws` has no types of its own; a program that uses it would install them.
    writeFileSync(
      join(installed.project, 'ws.d.ts'),
      "declare module 'ws' {\n  const WebSocket: import('agentkernel').WsConstructor\n  export default WebSocket\n}\n",
    )
    for (const { name, code } of examples) writeFileSync(join(installed.project, `${name}.mts`), code)
    const options = {
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      target: 'es2022',
      module: 'nodenext',
      lib: ['es2022'],
      types: ['node'],
    }
    const files = ['ws.d.ts', ...examples.map(({ name }) => `${name}.mts`)]
    writeFileSync(join(installed.project, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files }))
    const child = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', '.'], { encoding: 'utf8', cwd: installed.project })
    expect(child.stdout).toBe('')
  })

  test('names every class of error', () => {
    const classes = Object.entries(sdk).filter(
      ([, value]) => typeof value === 'function' && (value === AgentKernelError || value.prototype instanceof AgentKernelError),
    )
    expect(classes.map(([name]) => name).filter((name) => !page.includes(`| \`${name}\` |`))).toEqual([])
  })

  test('names no method that does not exist', () => {
    const called = [...page.matchAll(/\bclient\.(\w+)\(/g)].map((match) => match[1]!)
    expect(called.filter((name) => !(name in AgentKernel.prototype))).toEqual([])
  })

  test('has a heading for every place it sends to', () => {
    const headings = [...page.matchAll(/^## (.+)$/gm)].map((match) => match[1]!.toLowerCase().replaceAll(' ', '-'))
    const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map((match) => match[1]!)
    expect(links.filter((link) => !headings.includes(link))).toEqual([])
  })
})

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../support/source-files.ts'
import { LabUser } from './lab-user.ts'
import { labProblem, type NetworkLab, startLab } from '../support/lab/network-lab.ts'

setDefaultTimeout(120_000)

const problem = labProblem()
const TOKEN = 'token-of-an-example-0123456789'
/** Secrets of the examples. */
const VALUES = Object.fromEntries(
  ['MY_TOKEN', 'DB_PASSWORD', 'GIT_TOKEN', 'OPENAI_API_KEY', 'ANTHROPIC_API_KEY', 'GITHUB_TOKEN'].map((name) => [name, TOKEN]),
)

/** Names of the examples, and who plays them in the lab. The rest of example.com is in `lab.test`. */
const PLAYED: readonly (readonly [RegExp, string])[] = [
  [/(?<![\w.-])example\.com/g, 'api.lab.test'],
  [/telemetry\.example\.com/g, 'other.lab.test'],
  [/\bexample\.com/g, 'lab.test'],
]
/** Programs of the examples: each is there and says that it ran. */
const SCRIPTS = ['test.sh', 'script.sh', 'report.py', 'agent.sh', 'tool', 'start-database']

const FILES: Readonly<Record<string, string>> = {
  Makefile: 'all:\n\t@echo made\n',
  'package.json': '{ "scripts": { "test": "true" } }',
  'agent.js': 'console.log(process.env.OPENAI_API_KEY)',
  'key.txt': TOKEN,
}

const played = (text: string): string => PLAYED.reduce((all, [name, actor]) => all.replaceAll(name, actor), text)
const page = (name: string): string => readFileSync(join(ROOT, name), 'utf8')
const fences = (name: string, language: string): string[] => fencesIn(page(name), language)
const fencesIn = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, 'gm'))].map(([, text]) => text!)

/** Servers that do not end, a server that is not ours, and a registry: ports and package managers have tests of their own. */
const ELSEWHERE = / -[pP] \S*\d|git clone https:\/\/github|npm ci$/

function commandsOf(name: string): string[] {
  const [file, section] = name.split('#')
  const blocks = section === undefined ? fences(file!, 'sh') : fencesIn(page(file!).split(`## ${section}\n`)[1]!.split('\n## ')[0]!, 'sh')
  return blocks.flatMap((text) => text.split('\n').filter((line) => line.startsWith('agentkernel ')))
}

describe.skipIf(problem !== undefined)(`examples of the documentation${problem === undefined ? '' : ` (skipped: ${problem})`}`, () => {
  let lab: NetworkLab
  let user: LabUser
  beforeAll(async () => {
    lab = await startLab()
    user = new LabUser(lab)
    for (const name of SCRIPTS) {
      writeFileSync(join(user.project, name), '#!/bin/sh\necho "$0 ran"\n')
      chmodSync(join(user.project, name), 0o755)
    }
    for (const [name, content] of Object.entries(FILES)) writeFileSync(join(user.project, name), content)
    await user.ak(['secret', 'set', 'TEAM_KEY'], { stdin: TOKEN })
    await user.agentkernel(['run', 'true'])
  })
  afterAll(async () => {
    await user.dispose()
    await lab.close()
  })

  const shell = (command: string) =>
    user.script(`agentkernel() { ak "$@"; }\n${played(command)}`, { env: VALUES, stdin: TOKEN, ms: 30_000 })

  test('docs/network.md shows what the commands say', async () => {
    const blocks = fences('docs/network.md', 'console')
    expect(blocks.length).toBeGreaterThan(1)
    for (const block of blocks) {
      for (const [, command, answer] of block.matchAll(/^\$ (.*)\n((?:(?!\$ ).*\n)*)/gm)) {
        const { stdout, stderr } = await shell(command!)
        expect(`$ ${played(command!)}\n${stdout}${stdout === '' || stdout.endsWith('\n') ? '' : '\n'}${stderr}`).toBe(
          `$ ${played(command!)}\n${played(answer!)}`,
        )
      }
    }
  })

  test.each(['docs/secrets.md', 'docs/network.md', 'docs/llm.md', 'README.md', 'docs/sandboxes.md#Network and secrets'])(
    'commands of %s work',
    async (name) => {
      const commands = commandsOf(name).filter((line) => !ELSEWHERE.test(line))
      expect(commands.length).toBeGreaterThan(2)
      const failed: string[] = []
      for (const command of commands) {
        const { code, stdout, stderr } = await shell(command)
        if (code !== 0) failed.push(`${command}\n${code} ${stdout}${stderr}`)
      }
      expect(failed).toEqual([])
    },
  )
})

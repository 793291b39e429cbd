import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { resolvedConfig } from '../../test/support/resolved-config.ts'
import { findCommand } from '../cli/command-index.ts'
import { gitPushOf, networkOf } from '../cli/commands/network-flags.ts'
import { parseArguments } from '../cli/parse-arguments.ts'
import { parsePublishedPort } from '../contract/published-port.ts'
import { parseRule } from '../policy/network/parse-rule.ts'
import { resolvePermissions } from '../policy/permissions.ts'
import { checkNetworkKeys } from './config/network-keys.ts'
import { parseConfig } from './config/parse.ts'

const page = readFileSync(join(import.meta.dir, '../../docs/network.md'), 'utf8')
const fences = (language: string) => [...page.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, 'gm'))].map(([, text]) => text!)
const machine = { totalMemoryBytes: 8 * 1024 ** 3, cores: 2 }

/** The words of a line as a shell sees them; the page needs single quotes only. */
const words = (line: string) => [...line.matchAll(/'([^']*)'|([^\s']+)/g)].map(([, quoted, plain]) => quoted ?? plain!)

const commands = fences('sh').flatMap((text) => text.split('\n').filter((line) => line.startsWith('agentkernel ')))

test('docs/network.md has examples', () => expect(commands.length).toBeGreaterThan(8))

test.each(commands)('%s is a command line whose rules can be read', async (line) => {
  const found = await findCommand(words(line).slice(1))
  const { spec } = found!.command
  const args = parseArguments(spec, found!.rest)
  const flags = spec.flags.some(({ name }) => name === 'allow') ? networkOf(spec, args) : {}
  if (spec.flags.some(({ name }) => name === 'git-push')) gitPushOf(spec, args)
  await resolvePermissions({ command: ['true'], cwd: '/', env: {}, callerEnv: {}, ...flags }, resolvedConfig(), machine)
})

test('every rule of the table is one', () => {
  const table = page.slice(page.indexOf('| rule | allows |'), page.indexOf('- **Block wins'))
  const rows = table.split('\n').filter((row) => row.startsWith('| `'))
  expect(rows).toHaveLength(9)
  for (const row of rows) for (const [, rule] of row.split('|')[1]!.matchAll(/`([^`]+)`/g)) parseRule(rule!)
})

test('every form of a port is one', () => {
  const table = page.slice(page.indexOf('| form | listens'), page.indexOf('- Ports of `[network] ports`'))
  const forms = [...table.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell]) => [...cell!.matchAll(/`([^`]+)`/g)].map(([, form]) => form!))
  expect(forms).toHaveLength(6)
  for (const form of forms) expect(parsePublishedPort(form)).not.toHaveProperty('problem')
})

test.each(fences('toml'))('the example file is valid', (text) => {
  const parsed = parseConfig(text, 'example')
  expect(parsed.warnings).toEqual([])
  checkNetworkKeys(parsed, 'example')
})

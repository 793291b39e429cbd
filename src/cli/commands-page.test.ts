import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { allFlags } from './command.ts'
import type { CommandSpec, FlagSpec } from './command.ts'
import { COMMANDS, visibleCommands } from './command-index.ts'
import { valueLabel } from './help-text.ts'
import { LATER_COMMANDS } from './later-commands.ts'

const page = readFileSync(join(import.meta.dir, '../../docs/commands.md'), 'utf8')
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const end = section.indexOf('\n')
      return [section.slice(0, end), section.slice(end)] as const
    }),
)

const specs: CommandSpec[] = []
for (const name of visibleCommands()) {
  const command = await COMMANDS[name]!()
  specs.push(command.spec, ...Object.values(command.subcommands ?? {}).map((sub) => sub.spec))
}

function row(flag: FlagSpec): string {
  const short = flag.short === undefined ? '' : `\`-${flag.short}\`, `
  return `| ${short}\`--${flag.name}${valueLabel(flag)}\` | ${flag.summary} |`
}

test('docs/commands.md has a section for every command and for no other', () => {
  const documented = [...sections.keys()].filter((title) => title.startsWith('agentkernel '))
  expect(documented).toEqual(specs.map((spec) => `agentkernel ${spec.name}`))
})

for (const spec of specs) {
  test(`docs/commands.md describes \`${spec.name}\` as the command table does`, () => {
    const section = sections.get(`agentkernel ${spec.name}`) ?? ''
    expect(section.split('\n').filter((line) => /^\| .*`-/.test(line))).toEqual(allFlags(spec).map(row))
    for (const line of spec.usage) expect(section).toContain(`agentkernel ${line}\n`)
    for (const { command, note } of spec.examples) expect(section).toContain(`# ${note}\n${command}\n`)
    for (const flag of spec.laterFlags ?? []) expect(section).toContain(`\`--${flag.name}\``)
  })
}

test('docs/commands.md names every command that arrives later', () => {
  const section = sections.get('Arriving later') ?? ''
  expect([...section.matchAll(/`([\w-]+)`/g)].map(([, name]) => name)).toEqual([...LATER_COMMANDS])
})

import { describe, expect, test } from 'bun:test'
import { allFlags } from './command.ts'
import type { Command } from './command.ts'
import { COMMANDS, visibleCommands } from './command-index.ts'
import { commandHelp, rootHelp } from './help-text.ts'
import { recordingContext } from './recording-context.ts'

const { context } = recordingContext()
const commands: Command[] = []
for (const name of visibleCommands()) {
  const command = await COMMANDS[name]!()
  commands.push(command, ...Object.values(command.subcommands ?? {}))
}

for (const command of commands) {
  const { spec } = command
  describe(spec.name, () => {
    const page = commandHelp(command, context)

    test('explains itself: summary, usage, every flag, and two examples', () => {
      expect(page).toStartWith(`${spec.summary}\n`)
      expect(spec.usage.length).toBeGreaterThan(0)
      for (const flag of allFlags(spec)) expect(page).toContain(`--${flag.name}`)
      expect(spec.examples.length).toBeGreaterThanOrEqual(2)
      for (const { command: line, note } of spec.examples) expect(page).toContain(`# ${note}\n  ${line}\n`)
    })

    test('fits into 100 columns', () => {
      expect(page.split('\n').filter((line) => line.length > 100)).toEqual([])
    })

    test('has no flag or letter twice, later ones included', () => {
      const words = [...allFlags(spec), ...(spec.laterFlags ?? [])].flatMap((flag) =>
        flag.short === undefined ? [flag.name] : [flag.name, flag.short],
      )
      expect(words.toSorted()).toEqual([...new Set(words)].toSorted())
    })
  })
}

test('the first page lists every command, in 100 columns and in 60', async () => {
  for (const columns of [200, 60]) {
    const page = await rootHelp({ ...context, stdout: { ...context.stdout, columns } })
    for (const name of visibleCommands()) expect(page).toMatch(new RegExp(`\\n  ${name}[ ,]`))
    expect(page).not.toContain('__complete')
    expect(page.split('\n').filter((line) => line.length > Math.min(columns, 100))).toEqual([])
  }
})

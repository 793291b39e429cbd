import type { Command } from '../command.ts'
import { usageError } from '../parse-arguments.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const

export const completions: Command = {
  spec: {
    name: 'completions',
    summary: 'Print a completion script for your shell',
    usage: ['completions SHELL'],
    positionals: { kind: 'list', label: 'SHELL', summary: SHELLS.join(', '), max: 1, choices: SHELLS },
    flags: [],
    examples: [
      { command: 'source <(agentkernel completions bash)', note: 'bash: add this line to ~/.bashrc' },
      { command: 'source <(agentkernel completions zsh)', note: 'zsh: add this line to ~/.zshrc, after compinit' },
      { command: 'agentkernel completions fish > ~/.config/fish/completions/agentkernel.fish', note: 'fish: run once' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const shell = SHELLS.find((name) => name === args.positionals[0])
    if (shell === undefined) throw usageError(completions.spec, `name a shell: ${SHELLS.join(', ')}.`)
    const { COMPLETION_SCRIPTS } = await import('../completion-scripts.ts')
    context.stdout.write(COMPLETION_SCRIPTS[shell])
    return 0
  },
}

import type { Command } from '../command.ts'
import { ignore } from '../../lib/ignore.ts'

/** Called by completion scripts: the words after the program's name, the last one unfinished. */
export const complete: Command = {
  spec: {
    name: '__complete',
    summary: 'Print candidates for a completion script',
    usage: ['__complete -- [WORD...]'],
    positionals: { kind: 'command', summary: 'The words typed so far, the last one unfinished' },
    flags: [],
    examples: [
      { command: "agentkernel __complete -- ''", note: 'The commands' },
      { command: 'agentkernel __complete -- run --profile ""', note: 'The profiles' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const { candidates } = await import('../completion.ts')
    try {
      context.stdout.write(await candidates(args.positionals, context))
    } catch (error) {
      // A prompt is no place for an error message; no candidates says enough.
      ignore(error, 'completion is a convenience')
    }
    return 0
  },
}

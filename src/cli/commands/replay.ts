import type { Command } from '../command.ts'
import { usageError } from '../parse-arguments.ts'
import { quoted } from '../printable.ts'

const DEFAULT_SPEED = 1
const DEFAULT_IDLE_S = 2
const MOST_SPEED = 1000
/** A day; longer pauses are no pauses. */
const MOST_IDLE_S = 86_400

export const replay: Command = {
  spec: {
    name: 'replay',
    summary: 'Play a recorded session',
    description:
      'Plays an asciicast v2 file, such as `agentkernel attach --record` makes, to stdout; what it says about itself goes to ' +
      'stderr. The whole file is checked first. Ctrl-C ends it.',
    usage: ['replay [flags] FILE'],
    positionals: { kind: 'list', label: 'FILE', summary: 'The recording', max: 1, complete: 'files' },
    flags: [
      { name: 'speed', short: 's', value: { label: 'N' }, summary: 'How many times as fast (default 1)' },
      { name: 'max-idle', value: { label: 'SECONDS' }, summary: 'Shorten pauses to this (default 2)' },
      { name: 'json', summary: 'Do not play: print what the recording is, one object' },
    ],
    examples: [
      { command: 'agentkernel replay dev-20261122-180000.cast', note: 'Watch what happened' },
      { command: 'agentkernel replay -s 4 --max-idle 0.5 session.cast', note: 'In a hurry' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const [file] = args.positionals
    if (file === undefined) throw usageError(replay.spec, 'name a recording.')
    const speed = numberOf('--speed', args.value('speed'), DEFAULT_SPEED, { least: 0.01, most: MOST_SPEED })
    const maxIdleS = numberOf('--max-idle', args.value('max-idle'), DEFAULT_IDLE_S, { least: 0, most: MOST_IDLE_S })
    const { describeCast, playCast } = await import('../play-cast.ts')
    if (args.has('json')) describeCast(file, context)
    else await playCast(file, { speed, maxIdleS }, context)
    return 0
  },
}

function numberOf(
  flag: string,
  text: string | undefined,
  otherwise: number,
  range: { readonly least: number; readonly most: number },
): number {
  if (text === undefined) return otherwise
  const value = /^(\d{1,6}(\.\d{1,6})?|\.\d{1,6})$/.test(text) ? Number(text) : Number.NaN
  if (value >= range.least && value <= range.most) return value
  throw usageError(replay.spec, `${flag} ${quoted(text)} is not a number from ${range.least} to ${range.most}.`)
}

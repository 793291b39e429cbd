import type { Command } from '../../command.ts'
import { JSON_FLAG } from '../../command.ts'
import { moment } from '../../moments.ts'
import { printable, printableJson } from '../../printable.ts'
import { checkedTtl } from './create-request.ts'
import { nameOf, ONE_NAME } from './named.ts'

const DEFAULT_BY = '1h'

export const extendTtl: Command = {
  spec: {
    name: 'sandbox extend-ttl',
    summary: 'Let a sandbox live longer',
    description: 'Adds to its end, or to now when that is later. `--by 0` takes the end away.',
    usage: ['sandbox extend-ttl [flags] NAME'],
    positionals: ONE_NAME,
    flags: [
      { name: 'by', value: { label: 'DURATION' }, summary: `How much longer: 45s, 30m, 3h, 2d; 0 = for ever (default ${DEFAULT_BY})` },
      JSON_FLAG,
    ],
    examples: [
      { command: 'agentkernel sandbox extend-ttl dev', note: 'One more hour' },
      { command: 'agentkernel sandbox extend-ttl dev --by 2d', note: 'Two more days' },
      { command: 'agentkernel sandbox extend-ttl dev --by 0', note: 'Until it is removed' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const name = nameOf(extendTtl.spec, args)
    const by = checkedTtl(extendTtl.spec, '--by', args.value('by')) ?? DEFAULT_BY
    const reply = await (await context.sandboxes()).extend(name, by)
    if (args.has('json')) context.stdout.write(`${printableJson(reply, 2)}\n`)
    else if (reply.expires_at === null) context.stdout.write(`${name} no longer expires\n`)
    else context.stdout.write(`${name} expires ${printable(moment(reply.expires_at, new Date()))}\n`)
    return 0
  },
}

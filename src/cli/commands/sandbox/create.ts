import type { SandboxInfo } from '../../../contract/sandboxes.ts'
import { CALLER, uncanceled } from '../../caller.ts'
import type { Command } from '../../command.ts'
import { printable, printableJson } from '../../printable.ts'
import { withProgress } from '../../progress.ts'
import { facts } from '../../table.ts'
import { checkAgent, parseCreate } from './create-request.ts'
import { forwardedSecrets, secretsOf } from '../secret-flags.ts'
import { CREATE_SPEC } from './create-spec.ts'
import { labelsText, memoryText, networkText, secretsText, vcpusText, writeWarnings } from './show.ts'

export const create: Command = {
  spec: CREATE_SPEC,
  family: 'plain',
  async execute(args, context) {
    const parsed = parseCreate(args, context)
    const { key, notices } = parsed
    await checkAgent(parsed.request.agent, context)
    for (const notice of notices) context.stderr.write(`${notice}\n`)
    const tell = (text: string): void => context.stderr.write(`agentkernel: ${printable(text)}\n`)
    const request = { ...parsed.request, ...(await forwardedSecrets(secretsOf(CREATE_SPEC, args), context, tell)) }
    const sandboxes = await context.sandboxes()
    const options = { caller: CALLER, ...(key === undefined ? {} : { key }) }
    const info = await withProgress(`Making sandbox ${request.name}`, context, () => sandboxes.create(request, options, uncanceled()))
    writeWarnings(info, context)
    context.stdout.write(args.has('json') ? `${printableJson(info, 2)}\n` : page(info))
    return 0
  },
}

function page(info: SandboxInfo): string {
  const name = printable(info.name)
  const made = facts([
    ['  Image', printable(info.image)],
    ['  vCPUs', vcpusText(info)],
    ['  Memory', memoryText(info)],
    ['  Workspace', info.project === undefined ? 'empty' : `a copy of ${printable(info.project)}`],
    ['  Network', networkText(info)],
    ['  Secrets', secretsText(info)],
    ['  Labels', labelsText(info)],
    ['  Expires', info.expires_at === undefined ? undefined : printable(info.expires_at)],
  ])
  const running = info.status === 'running'
  const steps = [
    ...(running ? [] : [`  agentkernel sandbox start ${name}`]),
    `  agentkernel exec ${name} -- COMMAND`,
    `  agentkernel attach ${name}`,
    `  agentkernel sandbox remove ${name}`,
  ]
  return `Created sandbox ${name} (${printable(info.status)})\n${made}\nNext:\n${steps.join('\n')}\n`
}

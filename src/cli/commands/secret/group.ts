import { commandGroup } from '../group.ts'
import { deleteSecret } from './delete.ts'
import { getSecret } from './get.ts'
import { listSecrets } from './list.ts'
import { setSecret } from './set.ts'

export const secret = commandGroup({
  name: 'secret',
  summary: 'Keep API keys where no sandbox sees them',
  description:
    'Secrets are in an encrypted vault. A sandbox gets a placeholder, and the gateway puts the value into requests to the right hosts.',
  examples: [
    { command: 'agentkernel secret set OPENAI_API_KEY', note: 'Store a key; you are asked for its value' },
    { command: 'agentkernel secret list', note: 'See which there are' },
  ],
  subcommands: { set: setSecret, get: getSecret, list: listSecrets, delete: deleteSecret },
  aliases: { ls: 'list', rm: 'delete', remove: 'delete' },
})

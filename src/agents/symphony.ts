import type { Agent } from './agent.ts'

export const symphony: Agent = {
  name: 'symphony',
  title: 'Symphony',
  aliases: ['openai-symphony'],
  binary: 'symphony',
  keyVariables: ['LINEAR_API_KEY', 'OPENAI_API_KEY'],
  installHint: 'comes with the template symphony-sandbox, which arrives with a later release',
}

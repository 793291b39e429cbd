import type { Agent } from './agent.ts'

export const hermes: Agent = {
  name: 'hermes',
  title: 'Hermes',
  aliases: ['hermes-agent'],
  binary: 'hermes',
  keyVariables: ['OPENROUTER_API_KEY', 'ANTHROPIC_API_KEY', 'OPENAI_API_KEY'],
  installHint: 'comes with the template hermes-sandbox, which arrives with a later release',
}

import type { Agent } from './agent.ts'

export const opencode: Agent = {
  name: 'opencode',
  title: 'OpenCode',
  aliases: ['open-code'],
  binary: 'opencode',
  keyVariables: ['ANTHROPIC_API_KEY', 'OPENAI_API_KEY', 'GOOGLE_API_KEY'],
  installHint: 'npm i -g opencode-ai',
}

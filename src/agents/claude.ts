import type { Agent } from './agent.ts'

export const claude: Agent = {
  name: 'claude',
  title: 'Claude Code',
  aliases: ['claude-code'],
  binary: 'claude',
  keyVariables: ['ANTHROPIC_API_KEY'],
  installHint: 'npm i -g @anthropic-ai/claude-code',
}

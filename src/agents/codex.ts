import type { Agent } from './agent.ts'

export const codex: Agent = {
  name: 'codex',
  title: 'Codex',
  aliases: ['openai-codex'],
  binary: 'codex',
  keyVariables: ['OPENAI_API_KEY'],
  installHint: 'npm i -g @openai/codex',
}

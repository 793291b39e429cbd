import type { Agent } from './agent.ts'

export const copilot: Agent = {
  name: 'copilot',
  title: 'Copilot CLI',
  aliases: ['copilot-cli'],
  binary: 'copilot',
  keyVariables: ['GITHUB_TOKEN'],
  installHint: 'npm i -g @github/copilot',
}

import type { Agent } from './agent.ts'

export const amp: Agent = {
  name: 'amp',
  title: 'Amp',
  aliases: [],
  binary: 'amp',
  keyVariables: ['ANTHROPIC_API_KEY'],
  installHint: 'npm i -g @sourcegraph/amp',
}

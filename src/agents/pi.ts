import type { Agent } from './agent.ts'

export const pi: Agent = {
  name: 'pi',
  title: 'Pi',
  aliases: [],
  binary: 'pi',
  keyVariables: ['ANTHROPIC_API_KEY', 'OPENAI_API_KEY'],
  installHint: 'npm i -g @mariozechner/pi-coding-agent',
}

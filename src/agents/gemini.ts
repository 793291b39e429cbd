import type { Agent } from './agent.ts'

export const gemini: Agent = {
  name: 'gemini',
  title: 'Gemini CLI',
  aliases: ['gemini-cli'],
  binary: 'gemini',
  keyVariables: ['GOOGLE_API_KEY', 'GEMINI_API_KEY'],
  installHint: 'npm i -g @google/gemini-cli',
}

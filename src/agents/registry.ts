import type { Agent } from './agent.ts'
import { amp } from './amp.ts'
import { claude } from './claude.ts'
import { codex } from './codex.ts'
import { copilot } from './copilot.ts'
import { gemini } from './gemini.ts'
import { hermes } from './hermes.ts'
import { opencode } from './opencode.ts'
import { pi } from './pi.ts'
import { symphony } from './symphony.ts'

/** Every agent, in the order they are listed. */
export const AGENTS: readonly Agent[] = [claude, gemini, codex, opencode, copilot, amp, pi, hermes, symphony]

/** The agent that has `nameOrAlias` as its name or an alias, whatever the case; undefined when none has. */
export function findAgent(nameOrAlias: string): Agent | undefined {
  const wanted = nameOrAlias.toLowerCase()
  return AGENTS.find((agent) => agent.name === wanted || agent.aliases.includes(wanted))
}

/** Every name and alias, for suggestions and completion. */
export function agentNames(): readonly string[] {
  return AGENTS.flatMap((agent) => [agent.name, ...agent.aliases])
}

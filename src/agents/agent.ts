/** A coding agent that a sandbox can run. A description, not a service: plain data, one file per agent. */
export interface Agent {
  /** Key such as `claude`; also the value of `agent.preferred`. */
  readonly name: string
  /** Name for people, e.g. `Claude Code`. */
  readonly title: string
  /** Other names that find it. */
  readonly aliases: readonly string[]
  /** Program that is looked for on PATH. */
  readonly binary: string
  /** Variables that hold a key for it; one that is set is enough. */
  readonly keyVariables: readonly string[]
  /** How to get it, one line. */
  readonly installHint: string
}

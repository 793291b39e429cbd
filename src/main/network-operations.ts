import { cpus, totalmem } from 'node:os'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { AppError } from '../contract/errors.ts'
import type { RulesInput } from '../contract/network-reports.ts'
import type { Operations } from '../contract/operations.ts'
import { ownAddresses } from '../egress/own-addresses.ts'
import { compilePolicy, explainTarget, Learner, learnedText, learnedToml, readEventLine, Simulation } from '../policy/network/index.ts'
import type { AskedFor, CompiledPolicy } from '../policy/network/index.ts'
import { resolvePermissions } from '../policy/permissions.ts'
import { loadRunConfig } from './engine.ts'
import type { Paths } from './paths.ts'

/** Questions about network rules. They are answered here, without a sandbox and without a look at the network. */
export function networkOperations(paths: Paths): Pick<Operations, 'networkExplain' | 'networkSimulate' | 'networkLearn'> {
  return {
    networkExplain: async ({ target, method = 'GET', ...input }) => {
      const { policy, source } = await policyOf(input, paths)
      return explainTarget(policy, target, method, source)
    },
    networkSimulate: async ({ log, ...input }, onEvent) => {
      const { policy } = await policyOf(input, paths)
      const simulation = new Simulation(policy)
      for await (const { line, asked } of eventsOf(log)) {
        const verdict = simulation.add(asked)
        if (asked !== undefined && verdict !== undefined) onEvent?.({ line, was: asked.passed ? 'allowed' : 'denied', verdict })
      }
      return simulation.report()
    },
    networkLearn: async ({ log }) => {
      const learner = new Learner()
      for await (const { asked } of eventsOf(log)) if (asked !== undefined) learner.addAsked(asked)
      const report = await learner.report()
      return { report, text: learnedText(report), toml: learnedToml(report) }
    },
  }
}

/** The rules that a `run` with these options would have. */
async function policyOf(input: RulesInput, paths: Paths): Promise<{ readonly policy: CompiledPolicy; readonly source: string }> {
  const config = await loadRunConfig(input, paths)
  const machine = { totalMemoryBytes: totalmem(), cores: cpus().length }
  const request = { ...input, command: ['true'], env: {}, callerEnv: {} }
  const { permissions, sources } = await resolvePermissions(request, config, machine)
  return { policy: compilePolicy(permissions.networkRules, { ownAddresses: ownAddresses()() }), source: sources.network }
}

/** The lines of a network log, one at a time: it may be larger than memory. Errors: `not_found`. */
async function* eventsOf(path: string): AsyncGenerator<{ readonly line: number; readonly asked: AskedFor | undefined }> {
  const stream = createReadStream(path, { encoding: 'utf8' })
  let line = 0
  try {
    for await (const text of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      line++
      if (text.trim() !== '') yield { line, asked: readEventLine(text) }
    }
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error
    throw new AppError('not_found', `the network log "${path}" cannot be read: ${String(error.code)}`, {
      cause: error,
      fix: 'Name a file that `run --network-log FILE` wrote.',
    })
  } finally {
    stream.destroy()
  }
}

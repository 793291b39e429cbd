import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { syscallTable } from '../../src/policy/seccomp/syscall-table.ts'
import { callers, run, type RunOptions } from './callers.ts'
import { makeWorld, type World } from './world.ts'

/** One attack from inside a sandbox. `id` is the line of docs/security.md that it tries to break. */
export interface Attack {
  readonly id: string
  readonly title: string
  /** Body of a Python function with the prelude and `T` in reach. It returns what it could do. */
  readonly code: string
  /** What it must come back with. */
  readonly expected: string | RegExp
}

const PRELUDE = readFileSync(join(import.meta.dir, 'prelude.py'), 'utf8')

/** Facts about the world outside, for scripts; a thief would have to guess them, which makes our attacks stronger. */
function factsOf(world: World): Record<string, unknown> {
  const { home, project, dir, victim, otherAddress, caller, helper } = world
  return { home, project, dir, victim, otherAddress, uid: caller.uid, helper }
}

/** A Python program that does the attacks one after the other and prints their results. */
export function attackScript(world: World, attacks: readonly Attack[]): string {
  const calls = Object.fromEntries(syscallTable(process.arch === 'arm64' ? 'arm64' : 'x64'))
  const bodies = attacks.map(({ id, title, code }, index) => {
    const body = code
      .trim()
      .split('\n')
      .map((line) => `    ${line}`)
    return [`def attack_${index}():`, ...body, `run_attack(${JSON.stringify(`${id} ${title}`)}, attack_${index})`].join('\n')
  })
  const data = [
    `CALLS = json.loads(${JSON.stringify(JSON.stringify(calls))})`,
    `T = json.loads(${JSON.stringify(JSON.stringify(factsOf(world)))})`,
  ]
  return [PRELUDE, ...data, ...bodies].join('\n')
}

/** Runs attacks in one sandbox; results by `id title`. Throws with everything the sandbox said when it broke off. */
export async function runAttacks(world: World, attacks: readonly Attack[], options: RunOptions = {}): Promise<Map<string, string>> {
  const output = await run(world, ['/usr/bin/python3', '-c', attackScript(world, attacks)], options)
  const results = new Map<string, string>()
  for (const line of output.stdout.split('\n')) {
    if (!line.startsWith('["')) continue
    const [name, text] = JSON.parse(line) as [string, string]
    results.set(name, text)
  }
  if (results.size !== attacks.length) throw new Error(`the attacks broke off (${output.code}):\n${output.stdout}\n${output.stderr}`)
  return results
}

/** Declares tests for both callers; a half that cannot run here is skipped and its title says why. */
export function forBothCallers(title: string, body: (world: () => World) => void): void {
  for (const caller of callers()) {
    const name = `${title}, started by ${caller.name}`
    if (caller.skip !== undefined) {
      test.skip(`${name}: skipped, ${caller.skip}`, () => undefined)
      continue
    }
    describe(name, () => {
      let world: World | undefined
      beforeAll(async () => {
        world = await makeWorld(caller)
      })
      afterAll(async () => world?.end())
      body(() => {
        if (world === undefined) throw new Error('the world was not made')
        return world
      })
    })
  }
}

/** Declares one test for each attack, all run in the same sandbox, for both callers. */
export function attackSuite(title: string, attacks: readonly Attack[], options: RunOptions = {}): void {
  forBothCallers(title, (world) => {
    let results: Promise<Map<string, string>> | undefined
    for (const { id, title: name, expected } of attacks) {
      test(`${id} ${name}`, async () => {
        results ??= runAttacks(world(), attacks, options)
        const got = (await results).get(`${id} ${name}`)
        if (typeof expected === 'string') expect(got).toBe(expected)
        else expect(got).toMatch(expected)
      })
    }
  })
}

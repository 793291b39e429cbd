import { afterEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BenchError, checkBuild } from './world.ts'

const made: string[] = []
afterEach(() => made.splice(0).forEach((path) => rmSync(path, { recursive: true, force: true })))

function checkout(fresh: string): string {
  const root = mkdtempSync(join(tmpdir(), 'agentkernel-bench-test-'))
  made.push(root)
  mkdirSync(join(root, 'build'))
  for (const name of ['agentkernel', 'agentkernel-guest', 'agentkernel-guest-net'])
    writeFileSync(join(root, 'build', name), '', { mode: 0o755 })
  writeFileSync(join(root, 'build/fresh.sh'), fresh)
  return root
}

test('a bench without a build says what is missing and how to get it', () => {
  const root = checkout('fresh=yes')
  rmSync(join(root, 'build/agentkernel-guest'))
  expect(() => checkBuild(root)).toThrow(
    new BenchError('nothing to measure: build/agentkernel-guest missing. Run `./agentkernel --version` first.'),
  )
})

test('a bench refuses a build that is older than its sources', () => {
  const root = checkout('fresh=yes; [ "$root/source" -nt "$root/build/agentkernel" ] && fresh=')
  writeFileSync(join(root, 'source'), '')
  utimesSync(join(root, 'source'), 1, 1)
  expect(() => checkBuild(root)).not.toThrow()
  utimesSync(join(root, 'source'), 4e9, 4e9)
  expect(() => checkBuild(root)).toThrow('older than its sources')
})

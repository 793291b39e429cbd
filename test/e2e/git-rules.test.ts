import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GitServer } from '../support/git-server.ts'
import { User } from './kit.ts'

const HOST = 'host.agentkernel.internal'
const hasTun = existsSync('/dev/net/tun')
const skipped = hasTun ? '' : ' (skipped: no /dev/net/tun here)'

let user: User
let server: GitServer
let place: string

beforeAll(() => {
  user = new User()
  server = new GitServer(join(user.home, 'server'))
  server.create('org/app.git')
  place = `${HOST}:${server.port}`
  const folder = join(user.home, '.config/agentkernel')
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'config.toml'),
    `[[proxy.hooks]]\nname = "file"\nevent = "on_response"\ntarget = { type = "file", path = "run.jsonl" }\n[[network.git]]\nhost = "${HOST}"\npush = ["agent/*"]\n`,
  )
})
afterAll(async () => {
  await server.close()
  user.remove()
})

test.skipIf(!hasTun)(`a run pushes what the configuration and its flags name, and a hook of the user is told${skipped}`, async () => {
  // A project's own file adds neither refs nor hooks.
  writeFileSync(
    join(user.project, 'agentkernel.toml'),
    `[[network.git]]\nhost = "${HOST}"\npush = ["*"]\n[[proxy.hooks]]\nname = "mine"\nevent = "on_response"\ntarget = { type = "file", path = "mine.jsonl" }\n`,
  )
  const script = `
    export HOME=/tmp; cd /tmp && git init -q -b main w && cd w && git -c user.name=a -c user.email=a@example.com commit -q --allow-empty -m one
    for ref in agent/x main refs/tags/v1 refs/tags/v2; do git push -q http://${place}/org/app.git HEAD:$ref && echo "pushed $ref"; done`
  const flags = ['--allow', place, '--git-push', `${HOST}/org/*=refs/tags/v1`]
  const { stdout, stderr } = await user.agentkernel(['run', ...flags, '--', 'sh', '-c', script])
  expect(stdout).toBe('pushed agent/x\npushed refs/tags/v1\n')
  expect(stderr).toContain('HEAD -> main (only refs/heads/agent/*, refs/tags/v1 may be pushed here)')
  expect(stderr).toContain('network.git')
  expect(server.ref('org/app.git', 'refs/heads/main')).toBeUndefined()
  const told = readFileSync(join(user.dataDir, 'hooks/run.jsonl'), 'utf8').trimEnd().split('\n')
  expect(told.filter((line) => line.includes('/git-receive-pack"')).length).toBe(2)
  expect(existsSync(join(user.dataDir, 'hooks/mine.jsonl'))).toBe(false)
})

test('a rule that cannot be read is refused before anything runs', async () => {
  const { code, stderr } = await user.agentkernel(['run', '--git-push', 'https://git.example.com=main', 'true'])
  expect(code).toBe(2)
  expect(stderr).toContain('--git-push')
})

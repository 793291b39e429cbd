import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { ResolvedConfig } from '../../contract/config.ts'
import { AppError } from '../../contract/errors.ts'
import { createTrustStore } from '../../store/trust.ts'
import type { TrustStore } from '../../store/trust.ts'
import { loadConfig } from './load.ts'
import { widenedKeys } from './widened-keys.ts'

let top: string
let project: string
let userConfigPath: string
let trust: TrustStore

beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'agentkernel-config-')))
  project = join(top, 'project')
  mkdirSync(project)
  userConfigPath = join(top, 'home/config/config.toml')
  trust = createTrustStore(join(top, 'home/config/trust.json'), () => new Date(0))
})
afterEach(() => rmSync(top, { recursive: true, force: true }))

function write(path: string, text: string): string {
  const full = join(top, path)
  mkdirSync(dirname(full), { recursive: true })
  writeFileSync(full, text)
  return full
}

function load(options: { readonly cwd?: string; readonly explicitPath?: string } = {}): Promise<ResolvedConfig> {
  return loadConfig({ cwd: project, projectRoot: project, userConfigPath, trust, ...options })
}

async function failureOf(loading: Promise<unknown>): Promise<AppError> {
  const error = await loading.then(
    () => new Error('did not fail'),
    (reason: unknown) => reason,
  )
  if (error instanceof AppError) return error
  throw error
}

describe('layers', () => {
  test('without any file everything is at its default', async () => {
    expect(await load()).toEqual({
      sources: [],
      warnings: [],
      inertKeys: [],
      laterKeys: [],
      security: {},
      commands: [],
      minIsolation: 'process',
      minNetwork: 'public',
      domains: { allow: [], block: [], allowlistOnly: false },
      publish: [],
      environment: {},
    })
  })

  test('the project lays its values over those of the user', async () => {
    write(
      'home/config/config.toml',
      '[resources]\nvcpus = 2\nmemory_mb = 1000\n[environment]\nA = "user"\nB = "user"\n[security]\nnetwork = false',
    )
    write(
      'project/agentkernel.toml',
      '[sandbox]\nname = "p"\n[resources]\nmemory_mb = 500\n[environment]\nB = 7\n[security]\nread_only = true',
    )
    expect(await load()).toMatchObject({
      sandboxName: 'p',
      vcpus: 2,
      memoryMiB: 500,
      environment: { A: 'user', B: '7' },
      security: { network: false, readOnly: true },
      sources: [
        { path: userConfigPath, kind: 'user', trusted: true },
        { path: join(project, 'agentkernel.toml'), kind: 'project', trusted: false },
      ],
    })
  })

  test('command rules of all layers are kept apart, so that a command must pass each', async () => {
    write('home/config/config.toml', '[security.commands]\nallow = ["python3"]\nallowlist_only = true')
    const path = write('project/agentkernel.toml', '[security.commands]\nallow = ["bash"]\nallowlist_only = false')
    expect((await load()).commands).toEqual([
      { allow: ['python3'], block: [], allowlistOnly: true, source: userConfigPath },
      { allow: ['bash'], block: [], allowlistOnly: false, source: path },
    ])
  })

  test('an untrusted file can only raise the floors of isolation and network, a trusted one can lower them', async () => {
    write('home/config/config.toml', '[security]\nmin_isolation = "kernel"\nmin_network = "listed"')
    const path = write('project/agentkernel.toml', '[security]\nmin_isolation = "container"\nmin_network = "public"')
    expect(await load()).toMatchObject({
      minIsolation: 'kernel',
      minNetwork: 'listed',
      inertKeys: ['security.min_isolation', 'security.min_network'],
    })
    await trust.add(path)
    expect(await load()).toMatchObject({ minIsolation: 'container', minNetwork: 'public', inertKeys: [], warnings: [] })
    write('project/agentkernel.toml', '[security]\nmin_isolation = "vm"\nmin_network = "none"')
    expect(await load()).toMatchObject({ minIsolation: 'vm', minNetwork: 'none', inertKeys: [] })
  })

  test('a named file takes the place of the project file', async () => {
    write('project/agentkernel.toml', '[sandbox]\nname = "project"')
    write('project/other.toml', '[sandbox]\nname = "other"\n[security]\nseccomp = "filter.json"')
    expect(await load({ explicitPath: 'other.toml' })).toMatchObject({
      sandboxName: 'other',
      security: { seccomp: join(project, 'filter.json') },
      sources: [{ path: join(project, 'other.toml'), kind: 'explicit', trusted: true }],
    })
  })

  test('a working directory that is gone leaves the user layer', async () => {
    write('home/config/config.toml', '[resources]\nvcpus = 2')
    write('project/agentkernel.toml', '[resources]\nvcpus = 1')
    expect(await loadConfig({ cwd: undefined, projectRoot: undefined, userConfigPath, trust })).toMatchObject({ vcpus: 2 })
  })

  const images: readonly (readonly [string, string | undefined])[] = [
    ['runtime = "python"', 'python:3.12-alpine'],
    ['runtime = "base"', 'alpine:3.20'],
    ['runtime = "cobol"', 'alpine:3.20'],
    ['runtime = "toString"', 'alpine:3.20'],
    ['runtime = "python"\nbase_image = "mine:1"', 'mine:1'],
    ['name = "x"', undefined],
  ]
  for (const [keys, image] of images) {
    test(`the image of ${keys.replace('\n', ', ')} is ${image ?? 'left open'}`, async () => {
      write('project/agentkernel.toml', `[sandbox]\n${keys}`)
      expect((await load()).image).toBe(image)
    })
  }

  test('keys of features to come are named once, descriptions are not', async () => {
    write('home/config/config.toml', '[[files]]\nsource = "a"\ndest = "b"\n[sandbox]\ninit_script = "x"')
    write('project/agentkernel.toml', '[sandbox]\ninit_script = "x"\n[template]\ndescription = "d"\n[build.args]\nA = "b"')
    expect((await load()).laterKeys).toEqual(['files', 'sandbox.init_script', 'build.args'])
  })

  test('combinations without effect are told', async () => {
    write(
      'project/agentkernel.toml',
      '[security]\nnetwork = false\n[security.domains]\nallow = ["a", "b"]\nblock = ["b"]\nallowlist_only = true\n[agent]\ncompatibility_mode = "amp"',
    )
    expect((await load()).warnings).toEqual([
      'agentkernel.toml:8: agent.compatibility_mode: "amp" has no preset of its own; "native" is used',
      'agentkernel.toml:3: security.domains has no effect: the network is off',
      'agentkernel.toml:3: security.domains: one domain is both allowed and blocked; blocked wins',
    ])
  })
})

describe('network', () => {
  const user = (text: string) => write('home/config/config.toml', text)
  const projectFile = (text: string) => write('project/agentkernel.toml', text)

  test('lists of domains add up, and so do ports', async () => {
    user('[security.domains]\nallow = ["a.example"]\nblock = ["x.example"]\n[network]\nports = ["8080:80"]')
    projectFile(
      '[security.domains]\nallow = ["b.example"]\nblock = ["y.example"]\nallowlist_only = true\n[network]\nports = ["53/udp"]\n[ports]\n9000 = 90\n"[::1]:1" = "1/udp"',
    )
    const port = { hostAddress: '127.0.0.1', hostPort: 0, protocol: 'tcp' }
    expect(await load()).toMatchObject({
      domains: { allow: ['a.example', 'b.example'], block: ['x.example', 'y.example'], allowlistOnly: true },
      publish: [
        { ...port, hostPort: 8080, sandboxPort: 80 },
        { ...port, sandboxPort: 53, protocol: 'udp' },
        { ...port, hostPort: 9000, sandboxPort: 90 },
        { hostAddress: '::1', hostPort: 1, sandboxPort: 1, protocol: 'udp' },
      ],
      inertKeys: [],
    })
  })

  test('a project may list instead of everything public, but not beyond it, nor where the user lists or has no network', async () => {
    const listed = '[security.domains]\nallow = ["b.example", "10.0.0.0/8"]\nallowlist_only = true'
    const path = projectFile(listed)
    expect(await load()).toMatchObject({ domains: { allow: ['b.example'] }, inertKeys: ['security.domains.allow'] })
    const narrower = [
      '[security]\nprofile = "restrictive"',
      '[security]\nnetwork = false',
      '[security]\nmin_network = "listed"',
      '[agent]\ncompatibility_mode = "claude"',
      '[security.domains]\nallowlist_only = true',
    ]
    for (const text of narrower) {
      user(text)
      expect(await load()).toMatchObject({ domains: { allow: [] }, inertKeys: ['security.domains.allow'] })
    }
    await trust.add(path)
    expect(await load()).toMatchObject({ domains: { allow: ['b.example', '10.0.0.0/8'] }, inertKeys: [] })
  })

  test('rules and ports that cannot be read are told together, each with its line', async () => {
    projectFile('[security.domains]\nallow = ["a.example",\n  "*"]\nblock = ["a b"]\n[network]\nports = ["http"]\n[ports]\n80 = "x"')
    const lines = await load().then(
      () => [],
      (error: Error) => error.message.split('\n'),
    )
    expect(lines).toEqual([
      expect.stringMatching(/^agentkernel\.toml:3: security\.domains\.allow\[1\]: network rule "\*": .*every name\. Write public/),
      expect.stringMatching(/^agentkernel\.toml:4: security\.domains\.block\[0\]: /),
      expect.stringMatching(/^agentkernel\.toml:6: network\.ports\[0\]: "http": that is no port/),
      expect.stringMatching(/^agentkernel\.toml:8: ports\.80: "80:x": that is no port/),
    ])
  })
})

describe('where the project file is looked for', () => {
  test('the nearest up to the top of the project, named as seen from the current directory', async () => {
    const cwd = join(project, 'a/b')
    mkdirSync(cwd, { recursive: true })
    write('project/agentkernel.toml', '[sandbox]\nnam = "top"\nname = "top"')
    expect(await load({ cwd })).toMatchObject({
      sandboxName: 'top',
      warnings: ['../../agentkernel.toml:2: unknown key "sandbox.nam"; did you mean "sandbox.name"?'],
    })
    write('project/a/agentkernel.toml', '[sandbox]\nname = "nearer"')
    expect(await load({ cwd })).toMatchObject({ sandboxName: 'nearer' })
  })

  test('never above the top, nor above the current directory without a project', async () => {
    write('agentkernel.toml', '[sandbox]\nname = "above"')
    expect((await load()).sources).toEqual([])
    expect((await loadConfig({ cwd: project, projectRoot: undefined, userConfigPath, trust })).sources).toEqual([])
  })
})

describe('trust', () => {
  const widening = '[security]\nmount_home = true\npass_env = true\n'
  const inert = { inertKeys: ['security.mount_home', 'security.pass_env'], security: {} }
  const honoured = { inertKeys: [], security: { mountHome: true, passEnv: true } }

  test('what widens is inert, counts once the file is trusted, and is inert again after an edit', async () => {
    const path = write('project/agentkernel.toml', widening)
    expect(await load()).toMatchObject(inert)
    await trust.add(path)
    expect(await load()).toMatchObject({ ...honoured, sources: [{ trusted: true }] })
    write('project/agentkernel.toml', `${widening}# edited\n`)
    expect(await load()).toMatchObject(inert)
    write('project/agentkernel.toml', widening)
    expect(await load()).toMatchObject(honoured)
    await trust.remove(path)
    expect(await load()).toMatchObject(inert)
  })

  test('the same text in another project is not trusted', async () => {
    const path = write('project/agentkernel.toml', widening)
    await trust.add(path)
    write('other/agentkernel.toml', widening)
    const other = join(top, 'other')
    expect(await loadConfig({ cwd: other, projectRoot: other, userConfigPath, trust })).toMatchObject(inert)
  })

  test('what widens counts in a file named with -c and in the user config', async () => {
    write('project/agentkernel.toml', widening)
    expect(await load({ explicitPath: 'agentkernel.toml' })).toMatchObject(honoured)
    write('home/config/config.toml', widening)
    write('project/agentkernel.toml', '')
    expect(await load()).toMatchObject(honoured)
  })

  test('a stricter user config decides what widening is', async () => {
    write('home/config/config.toml', '[security]\nprofile = "restrictive"\n[resources]\nmemory_mb = 512')
    write(
      'project/agentkernel.toml',
      '[security]\nprofile = "moderate"\nread_only = false\nseccomp = "moderate"\n[resources]\nmemory_mb = 1024',
    )
    expect(await load()).toMatchObject({
      memoryMiB: 512,
      security: { profile: 'restrictive' },
      inertKeys: ['security.profile', 'security.read_only', 'security.seccomp', 'resources.memory_mb'],
    })
  })

  test('files from outside of the project are inert, by whichever way', async () => {
    write('outside/key', 'k')
    symlinkSync(join(top, 'outside'), join(project, 'link'))
    symlinkSync('nowhere', join(project, 'dangling'))
    write('project/inside', 'i')
    symlinkSync('inside', join(project, 'alias'))
    const entries = [
      '/etc/passwd',
      '../outside/key',
      'link/key',
      'link/missing',
      'dangling',
      '~/.ssh/id',
      'a/../../outside/key',
      'inside',
      'alias',
      'missing/file',
    ]
    for (const source of entries) {
      write('project/agentkernel.toml', `[[files]]\nsource = ${JSON.stringify(source)}\ndest = "/x"`)
      const isInert = (await load()).inertKeys.includes('files')
      expect([source, isInert]).toEqual([source, !['inside', 'alias', 'missing/file'].includes(source)])
    }
  })

  test('a damaged list of trusted files trusts nothing and says so', async () => {
    const path = write('project/agentkernel.toml', widening)
    await trust.add(path)
    const store = write('home/config/trust.json', '{"version": 1, "trusted": [{"path": 5}]}')
    expect(await load()).toMatchObject({ ...inert, warnings: [`"${store}" does not hold a list of trusted files; nothing is trusted`] })
  })

  test('the keys that trust would set free can be listed', async () => {
    const path = write('project/agentkernel.toml', `${widening}[resources]\nvcpus = 4`)
    expect(await widenedKeys(path)).toEqual(['security.mount_home', 'security.pass_env'])
    write('home/config/config.toml', '[resources]\nvcpus = 2')
    await trust.add(path)
    expect(await widenedKeys(path, { userConfigPath, projectRoot: project })).toEqual([
      'security.mount_home',
      'security.pass_env',
      'resources.vcpus',
    ])
    expect((await failureOf(widenedKeys(join(top, 'none')))).code).toBe('not_found')
  })
})

describe('a file that cannot be used stops the command', () => {
  test('a link out of the project, which may not lend its content', async () => {
    symlinkSync('/etc/hostname', join(project, 'agentkernel.toml'))
    const error = await failureOf(load())
    expect([error.code, error.message]).toEqual(['config_invalid', 'agentkernel.toml: is a symbolic link that leads out of the project'])
  })

  test('a user config is named by its full path, and may be a link to anywhere', async () => {
    const real = write('dotfiles/agentkernel.toml', '[resources]\nvcpus = "x"')
    mkdirSync(dirname(userConfigPath), { recursive: true })
    symlinkSync(real, userConfigPath)
    expect((await failureOf(load())).message).toBe(`${userConfigPath}:2: resources.vcpus: expected a whole number, found "x"`)
    writeFileSync(real, '[resources]\nvcpus = 3')
    expect(await load()).toMatchObject({ vcpus: 3 })
  })

  test('a user config that is a link to nothing, because it may hold the limits', async () => {
    mkdirSync(dirname(userConfigPath), { recursive: true })
    symlinkSync('nothing', userConfigPath)
    expect((await failureOf(load())).message).toBe(`${userConfigPath}: is a symbolic link to a file that does not exist`)
  })

  test('a named file that does not exist', async () => {
    const error = await failureOf(load({ explicitPath: 'missing.toml' }))
    expect([error.code, error.message]).toEqual(['config_not_found', 'config file "missing.toml" does not exist'])
    expect((await failureOf(load({ explicitPath: '' }))).code).toBe('config_not_found')
  })

  test('an empty file and a byte order mark are fine', async () => {
    write('project/agentkernel.toml', '')
    expect(await load()).toMatchObject({ sources: [{ kind: 'project' }], warnings: [] })
    write('project/agentkernel.toml', '\ufeff[sandbox]\r\nname = "x"\r\n')
    expect(await load()).toMatchObject({ sandboxName: 'x' })
  })
})

test('a run without a config file loads neither the TOML parser nor zod', async () => {
  const script = `
    const { loadConfig } = await import(${JSON.stringify(join(import.meta.dir, 'load.ts'))})
    const { createTrustStore } = await import(${JSON.stringify(join(import.meta.dir, '../../store/trust.ts'))})
    const input = { cwd: ${JSON.stringify(project)}, projectRoot: undefined, userConfigPath: '/nonexistent/c', trust: createTrustStore('/nonexistent/t', () => new Date()) }
    await loadConfig(input)
    const before = Object.keys(require.cache).filter((path) => /smol-toml|zod/.test(path)).length
    await Bun.write(input.cwd + '/agentkernel.toml', '')
    await loadConfig(input)
    const after = Object.keys(require.cache)
    console.log(JSON.stringify([before, after.some((path) => path.includes('smol-toml')), after.some((path) => path.includes('/zod/'))]))`
  const { stdout } = Bun.spawnSync([process.execPath, '-e', script])
  expect(JSON.parse(stdout.toString())).toEqual([0, true, false])
})

import { describe, expect, test } from 'bun:test'
import type { ConfigFile } from '../contract/schemas/config-keys.ts'
import { narrow, WIDENING_RULES } from './narrow.ts'
import type { NarrowContext } from './narrow.ts'

const DEFAULTS: NarrowContext = {
  profile: 'moderate',
  seccomp: 'moderate',
  readOnly: false,
  minIsolation: 'process',
  minNetwork: 'public',
  network: 'public',
  memoryMiB: 4096,
  vcpus: undefined,
  domainsListed: false,
  leavesProject: (path) => path.startsWith('/'),
}
const RESTRICTIVE: NarrowContext = { ...DEFAULTS, profile: 'restrictive', seccomp: 'restrictive', readOnly: true }

interface Case {
  readonly file: ConfigFile
  readonly key: string
  readonly context?: NarrowContext
}

/** Files that widen by one key each. */
const WIDENING: readonly Case[] = [
  { file: { security: { profile: 'permissive' } }, key: 'security.profile' },
  { file: { security: { profile: 'custom' } }, key: 'security.profile', context: RESTRICTIVE },
  { file: { security: { network: true } }, key: 'security.network' },
  { file: { security: { mount_cwd: true } }, key: 'security.mount_cwd' },
  { file: { security: { mount_home: true } }, key: 'security.mount_home' },
  { file: { security: { pass_env: true } }, key: 'security.pass_env' },
  { file: { security: { read_only: false } }, key: 'security.read_only', context: RESTRICTIVE },
  { file: { security: { seccomp: './mine.json' } }, key: 'security.seccomp' },
  { file: { security: { seccomp: 'default' } }, key: 'security.seccomp' },
  { file: { security: { seccomp: 'ai-agent' } }, key: 'security.seccomp', context: RESTRICTIVE },
  { file: { security: { seccomp: 'restrictive' } }, key: 'security.seccomp', context: { ...DEFAULTS, seccomp: '/home/me/own.json' } },
  { file: { security: { min_isolation: 'container' } }, key: 'security.min_isolation', context: { ...DEFAULTS, minIsolation: 'vm' } },
  { file: { security: { min_network: 'public' } }, key: 'security.min_network', context: { ...DEFAULTS, minNetwork: 'listed' } },
  { file: { security: { domains: { allow: ['x.org'] } } }, key: 'security.domains.allow' },
  {
    file: { security: { domains: { allow: ['x.org'], allowlist_only: true } } },
    key: 'security.domains.allow',
    context: { ...DEFAULTS, domainsListed: true },
  },
  {
    file: { security: { domains: { allow: ['x.org'], allowlist_only: true } } },
    key: 'security.domains.allow',
    context: { ...DEFAULTS, network: 'listed' },
  },
  ...['10.0.0.0/8', '203.0.113.7', 'host.agentkernel.internal:8080', 'udp:x.org:443', 'GET http://127.0.0.1/*', 'no rule'].map((rule) => ({
    file: { security: { domains: { allow: [rule], allowlist_only: true } } },
    key: 'security.domains.allow',
  })),
  {
    file: { security: { domains: { allowlist_only: false } } },
    key: 'security.domains.allowlist_only',
    context: { ...DEFAULTS, domainsListed: true },
  },
  { file: { security: { transport: { vault_addr: 'x' } } }, key: 'security.transport.vault_addr' },
  { file: { security: { transport: { require_encrypted: false } } }, key: 'security.transport.require_encrypted' },
  { file: { ssh: { enabled: true } }, key: 'ssh.enabled' },
  { file: { ssh: { vault_addr: 'x' } }, key: 'ssh.vault_addr' },
  { file: { agent: { compatibility_mode: 'claude' } }, key: 'agent.compatibility_mode' },
  { file: { agent: { compatibility_mode: 'native' } }, key: 'agent.compatibility_mode', context: RESTRICTIVE },
  { file: { resources: { memory_mb: 4097 } }, key: 'resources.memory_mb' },
  { file: { resources: { vcpus: 3 } }, key: 'resources.vcpus', context: { ...DEFAULTS, vcpus: 2 } },
  { file: { build: { dockerfile: '/etc/passwd' } }, key: 'build.dockerfile' },
  { file: { build: { context: '/' } }, key: 'build.context' },
  { file: { files: [{ source: '/etc/passwd', dest: '/a' }] }, key: 'files' },
  { file: { volumes: ['data:/data'] }, key: 'volumes' },
  { file: { network: { extra_ca: ['/ca.pem'] } }, key: 'network.extra_ca' },
  { file: { network: { ports: ['0.0.0.0:8080:80'] } }, key: 'network.ports' },
  { file: { network: { ports: ['8080:80:90:100'] } }, key: 'network.ports' },
  { file: { network: { ports: ['127.0.0.1.evil.org:80:80'] } }, key: 'network.ports' },
  { file: { network: { git: [{ host: 'git.example.com', push: ['main'] }] } }, key: 'network.git' },
  { file: { network: { vsock_cid: 3 } }, key: 'network.vsock_cid' },
  { file: { ports: { '0.0.0.0:80': 80 } }, key: 'ports' },
  { file: { ports: { 80: '0.0.0.0:80:80' } }, key: 'ports' },
  { file: { secrets: { A: 'b' } }, key: 'secrets' },
  { file: { secret_files: ['A'] }, key: 'secret_files' },
  { file: { llm: { hosts: { 'llm.x.org': 'openai' } } }, key: 'llm.hosts' },
  { file: { llm_keys: { 'api.x.org': 'k' } }, key: 'llm_keys' },
  {
    file: { proxy: { hooks: [{ name: 'a', event: 'on_request', target: { type: 'webhook', url: 'x' } }] } },
    key: 'proxy.hooks',
  },
  { file: { schedule: [{ name: 's' }] }, key: 'schedule' },
  { file: { api: { allow_sudo_exec: true } }, key: 'api.allow_sudo_exec' },
  { file: { api: { tls: { enabled: false } } }, key: 'api.tls' },
  { file: { orchestrator: { provider: 'nomad' } }, key: 'orchestrator.provider' },
  { file: { enterprise: { enabled: false } }, key: 'enterprise.enabled' },
  { file: { permissions: { a: 1 } }, key: 'permissions' },
  { file: { git: { worktree: true } }, key: 'git.worktree' },
  { file: { remote: { a: 1 } }, key: 'remote' },
  { file: { scheduling: { a: 1 } }, key: 'scheduling' },
  { file: { llm_governance: { a: 1 } }, key: 'llm_governance' },
]

describe('in a file that is not trusted', () => {
  for (const { file, key, context = DEFAULTS } of WIDENING) {
    test(`${JSON.stringify(file)} is inert${context === DEFAULTS ? '' : ' against a stricter user'}`, () => {
      const widening = structuredClone(file)
      const { config, inertKeys } = narrow(widening, context)
      expect(inertKeys).toEqual([key])
      expect(at(config, key)).toBeUndefined()
      expect(widening).toEqual(file)
    })
  }

  const narrowing: readonly ConfigFile[] = [
    { sandbox: { name: 'a', runtime: 'python', base_image: 'b', init_script: 'c' } },
    {
      security: {
        profile: 'restrictive',
        network: false,
        mount_cwd: false,
        mount_home: false,
        pass_env: false,
        read_only: true,
        seccomp: 'restrictive',
      },
    },
    { security: { profile: 'moderate', read_only: false, seccomp: 'moderate', min_isolation: 'vm', min_network: 'none' } },
    {
      security: {
        domains: { allow: ['x.org'], block: ['y.org'], allowlist_only: true },
        commands: { allow: ['a'], block: ['b'], allowlist_only: false },
      },
    },
    { agent: { preferred: 'claude', compatibility_mode: 'native', git_name: 'a' } },
    { resources: { vcpus: 64, memory_mb: 4096 } },
    { files: [{ source: 'a', dest: '/a' }], build: { dockerfile: 'D', context: '.', args: { A: 'b' } } },
    {
      network: { ports: ['80', '8080:80', '127.0.0.1:8080:80', '[::1]:8080:80', 'localhost::80', '53:53/udp'] },
      ports: { 8080: 80, '127.0.0.1:1': '1/udp' },
    },
    { environment: { A: 'b' }, template: { description: 'x' }, ssh: { enabled: false }, secrets: {}, volumes: [] },
  ]
  for (const file of narrowing) {
    test(`${JSON.stringify(file)} counts`, () => expect(narrow(file, DEFAULTS)).toEqual({ config: file, inertKeys: [] }))
  }

  test('only the entries that widen are taken out of a list', () => {
    const file: ConfigFile = {
      files: [
        { source: 'a', dest: '/a' },
        { source: '/etc/shadow', dest: '/b' },
      ],
      ports: { 80: 80, '0.0.0.0:81': 81 },
      network: { ports: ['[::]:1:1', '2:2'] },
      security: { domains: { allow: ['x.org', '10.0.0.1', 'preset:rust', 'GET https://x.org/*'], allowlist_only: true } },
    }
    expect(narrow(file, DEFAULTS)).toEqual({
      config: {
        files: [{ source: 'a', dest: '/a' }],
        ports: { 80: 80 },
        network: { ports: ['2:2'] },
        security: { domains: { allow: ['x.org', 'preset:rust', 'GET https://x.org/*'], allowlist_only: true } },
      },
      inertKeys: ['security.domains.allow', 'files', 'network.ports', 'ports'],
    })
  })

  test('what is left of a section stays', () => {
    const file: ConfigFile = { security: { mount_home: true, network: false, commands: { block: ['rm'] } } }
    expect(narrow(file, DEFAULTS).config).toEqual({ security: { network: false, commands: { block: ['rm'] } } })
  })
})

test('every widening rule has a case here', () => {
  const covered = WIDENING.map(({ key }) => key)
  for (const { key } of WIDENING_RULES) {
    expect([key, covered.some((one) => one === key || (key.endsWith('.*') && one.startsWith(key.slice(0, -1))))]).toEqual([key, true])
  }
})

/** What is left at a key; an emptied list or table counts as nothing. */
function at(config: ConfigFile, key: string): unknown {
  const value = key.split('.').reduce<unknown>((inner, part) => (inner as Record<string, unknown> | undefined)?.[part], config)
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0 ? undefined : value
}

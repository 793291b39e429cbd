import { COMPATIBILITY_MODES, NETWORK_LEVELS, PROFILE_NAMES } from '../config.ts'
import { HOOK_EVENTS, HOOK_TARGETS } from '../network.ts'
import { SWAP_PLACES } from '../secrets.ts'
import { ISOLATION_ORDER } from '../isolation.ts'
import { any, choice, either, flag, label, later, list, map, now, number, open, required, table, text, whole } from './config-shape.ts'
import type { ValueOf } from './config-shape.ts'
import { LLM_CONFIG } from './llm-config.ts'

/**
 * Every section and key of `agentkernel.toml` and of the user's `config.toml`. A key that is not here is unknown and
 * gives a warning. The default is text for the reference page: the code that uses a key owns its default.
 */

const PORT = whole(1, 65_535)
const OFFLINE_MODES = ['fail_closed', 'cached_with_expiry', 'cached_indefinite', 'cached_only', 'default_policy'] as const
/** Agents without a preset of their own run as `native`; templates name them. */
const MODES_IN_FILES = [...COMPATIBILITY_MODES, 'claude-code', 'amp', 'pi'] as const

const vaultKeys = {
  cert_ttl: later(text, '"30m"'),
  vault_addr: later(text),
  vault_ssh_mount: later(text, '"ssh"'),
  vault_ssh_role: later(text, '"agentkernel-client"'),
}

const security = table({
  profile: now(choice([...PROFILE_NAMES, 'custom']), '"moderate"'),
  network: now(flag, 'by profile'),
  mount_cwd: now(flag, 'by profile'),
  mount_home: now(flag, 'by profile'),
  pass_env: now(flag, 'by profile'),
  read_only: now(flag, 'by profile'),
  seccomp: now(text, 'by profile'),
  min_isolation: now(choice(ISOLATION_ORDER), '"process"'),
  min_network: now(choice(NETWORK_LEVELS), '"public"'),
  domains: now(
    table({
      allow: now(list(text), '[]'),
      block: now(list(text), '[]'),
      allowlist_only: now(flag, 'false'),
    }),
  ),
  commands: now(
    table({
      allow: now(list(text), '[]'),
      block: now(list(text), '[]'),
      allowlist_only: now(flag, 'false'),
    }),
  ),
  transport: now(table({ ssh: later(flag), ...vaultKeys, require_encrypted: later(flag) })),
})

const orchestrator = table({
  provider: later(choice(['kubernetes', 'nomad'])),
  namespace: later(text, '"agentkernel"'),
  kubeconfig: later(text),
  context: later(text),
  runtime_class: later(text),
  service_account: later(text),
  node_selector: later(map(text), '{}'),
  nomad_addr: later(text),
  nomad_token: later(text),
  nomad_driver: later(text, '"docker"'),
  nomad_datacenter: later(text, '"dc1"'),
  warm_pool_size: later(whole(0, 10_000), '10'),
  max_pool_size: later(whole(0, 10_000), '50'),
  warm_pool_images: later(list(text), '[]'),
  max_sandboxes: later(whole(0, 1_000_000), '200'),
})

const enterprise = table({
  enabled: later(flag, 'false'),
  policy_server: later(text),
  policy_file: later(text),
  org_id: later(text),
  api_key_env: later(text),
  offline_mode: later(choice(OFFLINE_MODES), '"cached_with_expiry"'),
  cache_max_age_hours: later(number, '24'),
  default_roles: later(list(text), '["developer"]'),
  jwks_url: later(text),
  trust_anchors: now(table({ keys: later(list(text), '[]') })),
  scim_group_mappings: later(open),
})

const hook = table({
  name: required(now(text)),
  event: required(now(choice(HOOK_EVENTS))),
  target: required(now(table({ type: required(now(choice(HOOK_TARGETS))), url: now(text), path: now(text) }))),
})

const gitRule = table({
  host: required(now(text)),
  repos: now(list(text), '["*"]'),
  push: required(now(list(text))),
  force: now(flag, 'false'),
  delete: now(flag, 'false'),
})

const secret = table({
  host: now(either(text, list(text))),
  header: now(text),
  in: now(list(choice(SWAP_PLACES))),
  methods: now(list(text)),
  paths: now(list(text)),
})

const schedule = table({
  name: later(text),
  cron: later(text),
  fire_at: later(any),
  orchestration: later(text),
  object: later(text),
  object_id: later(text),
  method: later(text),
  input: later(any),
})

export const CONFIG_SHAPE = table({
  sandbox: now(
    table({
      name: now(text),
      runtime: now(text, '"base"'),
      base_image: now(text),
      init_script: later(text),
    }),
  ),
  build: now(
    table({
      dockerfile: later(text, 'found by name'),
      context: later(text, "the Dockerfile's directory"),
      target: later(text),
      args: later(map(text), '{}'),
      no_cache: later(flag, 'false'),
    }),
  ),
  agent: now(
    table({
      preferred: label(text, '"claude"'),
      compatibility_mode: now(choice(MODES_IN_FILES)),
      git_name: later(text),
      git_email: later(text),
    }),
  ),
  resources: now(
    table({
      vcpus: now(whole(1, 4096), 'all cores'),
      memory_mb: now(whole(1, 2 ** 31), 'half of the RAM, at most 4096'),
    }),
  ),
  network: now(
    table({
      vsock_cid: later(whole(3, 2 ** 32 - 2), 'chosen'),
      ports: now(list(text), '[]'),
      extra_ca: now(list(text), '[]'),
      git: now(list(gitRule), '[]'),
    }),
  ),
  security: now(security),
  ssh: now(table({ enabled: later(flag, 'false'), port: later(PORT, '22'), user: later(text, '"sandbox"'), ...vaultKeys })),
  files: later(list(table({ source: required(later(text)), dest: required(later(text)), mode: later(text, '"0644"') })), '[]'),
  volumes: later(list(text), '[]'),
  api: now(
    table({
      api_key: now(text),
      api_key_env: now(text),
      allow_sudo_exec: now(flag, 'false'),
      tls: now(table({ enabled: now(flag, 'false'), cert: now(text), key: now(text), require_tls: now(flag, 'false') })),
    }),
  ),
  orchestrator: now(orchestrator),
  enterprise: now(enterprise),
  proxy: now(table({ hooks: now(list(hook), '[]') })),
  secrets: now(map(either(text, secret)), '{}'),
  secret_files: now(either(list(text), map(text)), '[]'),
  llm: now(LLM_CONFIG),
  llm_keys: now(map(text), '{}'),
  schedule: later(list(schedule), '[]'),
  template: now(table({ name: label(text), description: label(text), category: label(text), help_text: label(text) })),
  ports: now(map(either(whole(1, 65_535), text)), '{}'),
  environment: now(map(either(text, number, flag), 'variable'), '{}'),
  permissions: later(open),
  git: now(table({ worktree: later(either(flag, text)) })),
  remote: later(open),
  scheduling: later(open),
  llm_governance: later(open),
})

/** A config file that passed the check, as written: keys that are absent stay absent, unknown keys may still be there. */
export type ConfigFile = ValueOf<typeof CONFIG_SHAPE>

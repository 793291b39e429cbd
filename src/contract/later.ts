import type { HttpMethod } from './operation.ts'

/** What is to come, by the name that an answer `not_available_yet` gives it. */
const SNAPSHOTS = 'snapshots'
const GRANTS = 'interactive permissions'
const POLICY = 'the policy engine'
const BROWSER = 'the browser'
const DURABLE = 'orchestrations, objects, schedules and stores'
const OPENCODE = 'the OpenCode proxy'
const IMAGES = 'images'
const FULL_STATE = 'pause, resume and fork'
const LIMITS = 'quotas and spending limits'

/** Routes whose feature comes later: they answer 501 and name it. A last `*` stands for whatever follows. */
export const LATER_ROUTES: readonly { readonly methods: readonly HttpMethod[]; readonly path: string; readonly feature: string }[] = [
  { methods: ['GET', 'POST'], path: '/snapshots', feature: SNAPSHOTS },
  { methods: ['GET', 'DELETE'], path: '/snapshots/{name}', feature: SNAPSHOTS },
  { methods: ['POST'], path: '/snapshots/{name}/restore', feature: SNAPSHOTS },
  { methods: ['GET'], path: '/llm/spend', feature: LIMITS },
  { methods: ['GET'], path: '/permissions', feature: GRANTS },
  { methods: ['POST'], path: '/permissions/grant', feature: GRANTS },
  { methods: ['POST'], path: '/permissions/check', feature: GRANTS },
  { methods: ['DELETE'], path: '/permissions/{id}', feature: GRANTS },
  { methods: ['GET'], path: '/policy/status', feature: POLICY },
  { methods: ['POST'], path: '/policy/check', feature: POLICY },
  { methods: ['POST'], path: '/policy/reload', feature: POLICY },
  { methods: ['GET'], path: '/policy/audit', feature: POLICY },
  { methods: ['GET', 'POST', 'DELETE'], path: '/sandboxes/{name}/browser/*', feature: BROWSER },
  ...['/orchestrations', '/objects', '/schedules', '/stores'].flatMap((path) => [
    { methods: ['GET', 'POST'] as const, path, feature: DURABLE },
    { methods: ['GET', 'POST', 'PATCH', 'DELETE'] as const, path: `${path}/*`, feature: DURABLE },
  ]),
  { methods: ['POST'], path: '/sandboxes/{name}/redis', feature: DURABLE },
  { methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'], path: '/opencode/*', feature: OPENCODE },
  { methods: ['GET'], path: '/images', feature: IMAGES },
  { methods: ['DELETE'], path: '/images/{id}', feature: IMAGES },
  { methods: ['POST'], path: '/sandboxes/{name}/pause', feature: FULL_STATE },
  { methods: ['POST'], path: '/sandboxes/{name}/resume', feature: FULL_STATE },
  { methods: ['POST'], path: '/sandboxes/{name}/fork', feature: FULL_STATE },
  { methods: ['GET'], path: '/quotas', feature: LIMITS },
]

/** Members of requests to `run` and `sandboxCreate` whose feature comes later; empty, false and null ask for nothing. */
export const LATER_FIELDS: Readonly<Record<string, string>> = {
  hooks: 'hooks of single sandboxes',
  volumes: 'volumes',
  init_script: 'scripts that run at start',
  source_url: 'sources from git',
  source_ref: 'sources from git',
  created_from_template: 'templates',
  template_help_text: 'templates',
  compatibility_mode: 'compatibility modes over HTTP',
  ssh: 'SSH',
}

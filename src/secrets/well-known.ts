import type { SecretBinding } from '../contract/secrets.ts'

/** Where a secret goes and in what form. */
export type SecretTarget = Pick<SecretBinding, 'hosts' | 'header' | 'basicUser' | 'swap' | 'methods' | 'paths'>

/** Hosts that want something else than `Authorization: Bearer VALUE`. */
const FORMS: Readonly<Record<string, Pick<SecretTarget, 'header' | 'basicUser'>>> = {
  'api.anthropic.com': { header: 'x-api-key' },
  'generativelanguage.googleapis.com': { header: 'x-goog-api-key' },
  'api.elevenlabs.io': { header: 'xi-api-key' },
  'api.linear.app': { header: 'authorization' },
  'github.com': { basicUser: 'x-access-token' },
}
/** Variables whose host takes them otherwise than its other keys. */
const BEARERS: readonly string[] = ['ANTHROPIC_AUTH_TOKEN', 'CLAUDE_CODE_OAUTH_TOKEN']

/** Variables that tools agree on, and the hosts that their values are for. */
const HOSTS: Readonly<Record<string, readonly string[]>> = {
  ANTHROPIC_API_KEY: ['api.anthropic.com'],
  ANTHROPIC_AUTH_TOKEN: ['api.anthropic.com'],
  CLAUDE_CODE_OAUTH_TOKEN: ['api.anthropic.com'],
  OPENAI_API_KEY: ['api.openai.com'],
  GOOGLE_API_KEY: ['generativelanguage.googleapis.com'],
  GEMINI_API_KEY: ['generativelanguage.googleapis.com'],
  COHERE_API_KEY: ['api.cohere.com', 'api.cohere.ai'],
  CO_API_KEY: ['api.cohere.com', 'api.cohere.ai'],
  MISTRAL_API_KEY: ['api.mistral.ai'],
  TOGETHER_API_KEY: ['api.together.xyz', 'api.together.ai'],
  GROQ_API_KEY: ['api.groq.com'],
  FIREWORKS_API_KEY: ['api.fireworks.ai'],
  DEEPSEEK_API_KEY: ['api.deepseek.com'],
  OPENROUTER_API_KEY: ['openrouter.ai'],
  XAI_API_KEY: ['api.x.ai'],
  PERPLEXITY_API_KEY: ['api.perplexity.ai'],
  VOYAGE_API_KEY: ['api.voyageai.com'],
  REPLICATE_API_TOKEN: ['api.replicate.com'],
  ELEVENLABS_API_KEY: ['api.elevenlabs.io'],
  HF_TOKEN: ['huggingface.co'],
  GITHUB_TOKEN: ['api.github.com', 'uploads.github.com', 'github.com'],
  GH_TOKEN: ['api.github.com', 'uploads.github.com', 'github.com'],
  GITLAB_TOKEN: ['gitlab.com'],
  CLOUDFLARE_API_TOKEN: ['api.cloudflare.com'],
  VERCEL_TOKEN: ['api.vercel.com'],
  DIGITALOCEAN_TOKEN: ['api.digitalocean.com'],
  TFE_TOKEN: ['app.terraform.io'],
  SENTRY_AUTH_TOKEN: ['sentry.io'],
  SLACK_BOT_TOKEN: ['slack.com'],
  NOTION_TOKEN: ['api.notion.com'],
  LINEAR_API_KEY: ['api.linear.app'],
  STRIPE_API_KEY: ['api.stripe.com'],
}

/** Hosts of a variable that everybody uses for the same thing; undefined for others. */
export function wellKnownHosts(name: string): readonly string[] | undefined {
  return Object.hasOwn(HOSTS, name) ? HOSTS[name] : undefined
}

/** The hosts, grouped by the form in which each wants the value of variable `name`. `hosts` are canonical patterns. */
export function targetsFor(name: string, hosts: readonly string[]): readonly SecretTarget[] {
  const groups = new Map<string, { form: Pick<SecretTarget, 'header' | 'basicUser'>; hosts: string[] }>()
  for (const host of hosts) {
    const form = BEARERS.includes(name) || !Object.hasOwn(FORMS, host) ? {} : FORMS[host]!
    const key = `${form.header ?? ''} ${form.basicUser ?? ''}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { form, hosts: [host] })
    else group.hosts.push(host)
  }
  return [...groups.values()].map((group) => ({ hosts: group.hosts, ...group.form }))
}

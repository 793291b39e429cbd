import type { LlmFormat } from '../../contract/llm.ts'

/** Who answers at a host, and how it wants its key. */
export interface Provider {
  /** `openai`; of a host that only the config knows, the host itself. */
  readonly name: string
  readonly host: string
  /** How most of its replies are written. The readers know them all, whatever the host. */
  readonly format: LlmFormat
  /** Header that carries the bare key; absent: `Authorization: Bearer KEY`. */
  readonly keyHeader?: string
}

/** Hosts of the API references of the providers, as of 2025-11. */
const PROVIDERS: readonly Provider[] = [
  { name: 'openai', host: 'api.openai.com', format: 'openai' },
  { name: 'anthropic', host: 'api.anthropic.com', format: 'anthropic', keyHeader: 'x-api-key' },
  { name: 'google', host: 'generativelanguage.googleapis.com', format: 'google', keyHeader: 'x-goog-api-key' },
  { name: 'deepseek', host: 'api.deepseek.com', format: 'openai' },
  { name: 'groq', host: 'api.groq.com', format: 'openai' },
  { name: 'mistral', host: 'api.mistral.ai', format: 'openai' },
  { name: 'cohere', host: 'api.cohere.com', format: 'cohere' },
  { name: 'together', host: 'api.together.xyz', format: 'openai' },
  { name: 'fireworks', host: 'api.fireworks.ai', format: 'openai' },
  { name: 'openrouter', host: 'openrouter.ai', format: 'openai' },
]
/** Other names of the same hosts. A budget that knew only one of them would be none. */
const MORE_HOSTS: Readonly<Record<string, string>> = {
  'us.api.openai.com': 'openai',
  'eu.api.openai.com': 'openai',
  'api.cohere.ai': 'cohere',
  'codestral.mistral.ai': 'mistral',
  'api.together.ai': 'together',
}
const ALIASES: Readonly<Record<string, string>> = { gemini: 'google' }
const KEY_HEADERS: Readonly<Partial<Record<LlmFormat, string>>> = { anthropic: 'x-api-key', google: 'x-goog-api-key' }

const byName = new Map(PROVIDERS.map((provider) => [provider.name, provider]))
const byHost = new Map([
  ...PROVIDERS.map((provider) => [provider.host, provider] as const),
  ...Object.entries(MORE_HOSTS).map(([host, name]) => [host, { ...byName.get(name)!, host }] as const),
])

/** `custom`: hosts of the config, which win. `host` in lower case without a trailing dot. */
export function providerOf(host: string, custom: Readonly<Record<string, LlmFormat>> = {}): Provider | undefined {
  if (Object.hasOwn(custom, host)) {
    const format = custom[host]!
    const keyHeader = KEY_HEADERS[format]
    return { name: byHost.get(host)?.name ?? host, host, format, ...(keyHeader === undefined ? {} : { keyHeader }) }
  }
  return byHost.get(host)
}

/** `gemini` → `generativelanguage.googleapis.com`; what is no provider's name is a domain, in lower case. */
export function domainOf(provider: string): string {
  const name = provider.toLowerCase().replace(/\.$/, '')
  return byName.get(ALIASES[name] ?? name)?.host ?? name
}

/** `anthropic` → `ANTHROPIC_API_KEY`, `llm.example.com` → `LLM_EXAMPLE_COM_API_KEY`. */
export function defaultKeyName(provider: string): string {
  const name = provider.toLowerCase()
  const short = byHost.get(domainOf(provider))?.name ?? name
  return `${short.toUpperCase().replace(/[^A-Z0-9]+/g, '_')}_API_KEY`
}

/** Every name and host that is known without a config. */
export const KNOWN_PROVIDERS: readonly Provider[] = PROVIDERS

const DOMAIN = /^(?=.{1,253}$)(?!.*\.\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+$/

/** True for a host name with a dot, in lower case. Addresses and ports get no key. */
export const isDomain = (text: string): boolean => DOMAIN.test(text)

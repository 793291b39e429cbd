import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ResolvedConfig } from '../../contract/config.ts'
import type { ServeRequest } from '../../contract/daemon.ts'
import { AppError } from '../../contract/errors.ts'
import type { Webhook } from '../../engine/sandboxes/webhooks.ts'
import { Secret } from '../../lib/secret.ts'

/** What a TCP listener is told; everything decided. */
export interface ServeOptions {
  readonly host: string
  readonly port: number
  readonly keys: readonly Secret[]
  /** PEM of a certificate chain and its key; `self` makes them. */
  readonly tls: { readonly cert: string; readonly key: Secret } | 'self' | undefined
  readonly allowSudo: boolean
  readonly webhooks: readonly Webhook[]
}

type Environment = Readonly<Record<string, string | undefined>>

const DEFAULT_HOST = '127.0.0.1'
export const DEFAULT_PORT = 18_888
/** A key is guessed if it is short. */
const SHORTEST_KEY = 8

/**
 * What `serve` shall do: keys from the command line, a file, `AGENTKERNEL_API_KEY`, the variable that the config names, and the config. Errors:
 * `invalid_argument`, `api_key_required` (a host that others reach, without a key), `not_found`.
 */
export function resolveServe(request: ServeRequest, config: ResolvedConfig, env: Environment): ServeOptions {
  const host = request.host ?? DEFAULT_HOST
  const keys = keysOf(request, config, env)
  if (keys.length === 0 && !isLoopback(host)) {
    throw new AppError('api_key_required', `--host ${host} can be reached by others, and no key is set`, {
      fix: 'Set keys with --api-key-file FILE, or leave --host out.',
    })
  }
  return {
    host,
    port: request.port ?? DEFAULT_PORT,
    keys,
    tls: tlsOf(request, config),
    allowSudo: config.api?.allowSudoExec ?? false,
    webhooks: request.webhookUrls.map((url) => webhookOf(url, env)),
  }
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}

function keysOf(request: ServeRequest, { api }: ResolvedConfig, env: Environment): Secret[] {
  const named = api?.keyVariable === undefined ? undefined : env[api.keyVariable]
  const texts = [
    ...request.apiKeys,
    ...(request.apiKeyFile === undefined ? [] : keysInFile(resolve(request.cwd ?? '/', request.apiKeyFile))),
    env['AGENTKERNEL_API_KEY'],
    named,
    api?.key?.reveal(),
  ].filter((text): text is string => text !== undefined && text !== '')
  for (const text of texts) {
    if (text.length < SHORTEST_KEY || !/^[\x21-\x7e]+$/.test(text)) {
      throw new AppError('invalid_argument', `an API key has at least ${SHORTEST_KEY} visible characters and no spaces`, {
        fix: 'Make one, for example with `openssl rand -base64 32`.',
      })
    }
  }
  return [...new Set(texts)].map((text) => new Secret(text))
}

function keysInFile(path: string): string[] {
  const keys = readText(path, '--api-key-file')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  if (keys.length === 0) throw new AppError('invalid_argument', `${path} holds no key`, { fix: 'Write one key on each line.' })
  return keys
}

function tlsOf(request: ServeRequest, { api }: ResolvedConfig): ServeOptions['tls'] {
  const on = request.tls || api?.tls?.enabled === true
  const required = request.requireTls || api?.tls?.required === true
  const from = (file: string | undefined): string | undefined => (file === undefined ? undefined : resolve(request.cwd ?? '/', file))
  const cert = from(request.tlsCert) ?? api?.tls?.certPath
  const key = from(request.tlsKey) ?? api?.tls?.keyPath
  if (!on) {
    if (required || request.tlsCert !== undefined || request.tlsKey !== undefined) {
      throw new AppError('invalid_argument', '--tls-cert, --tls-key and --require-tls need --tls')
    }
    return undefined
  }
  if (cert === undefined && key === undefined) return 'self'
  if (cert === undefined || key === undefined) throw new AppError('invalid_argument', '--tls-cert and --tls-key go together')
  return { cert: readText(cert, '--tls-cert'), key: new Secret(readText(key, '--tls-key')) }
}

function webhookOf(text: string, env: Environment): Webhook {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new AppError('invalid_argument', `--webhook-url "${text}" is no http(s) address`)
  const secret = env['AGENTKERNEL_WEBHOOK_SECRET']
  return { url: url.href, ...(secret === undefined || secret === '' ? {} : { secret }) }
}

function readText(path: string, flag: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new AppError('not_found', `${flag}: cannot read ${path}`, { cause: error, fix: 'Check the path.' })
  }
}

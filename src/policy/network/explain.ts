import { AppError } from '../../contract/errors.ts'
import type { ExplainReport } from '../../contract/network-reports.ts'
import { formatAddress, parseAddress } from './address.ts'
import { targetText } from './learn.ts'
import { parseName } from './names.ts'
import { DEFAULT_PORT } from './rule.ts'
import { shown } from './shown.ts'
import type { CompiledPolicy, Protocol, Verdict } from './types.ts'

/** What somebody asks about. */
type Question =
  | { readonly kind: 'connection'; readonly name?: string; readonly address?: string; readonly port: number; readonly protocol: Protocol }
  | {
      readonly kind: 'request'
      readonly host: string
      readonly port: number
      readonly scheme: 'http' | 'https'
      readonly method: string
      readonly path: string
    }

const DEFAULT = 443

/**
 * Says what the rules say to `example.com`, `example.com:22`, `udp:example.com:53`, `[::1]:80` or `https://example.com/path`.
 * Errors: `invalid_argument`.
 */
export function explainTarget(policy: CompiledPolicy, target: string, method: string, source: string): ExplainReport {
  const question = questionOf(target.trim(), method)
  const verdict = decide(policy, question)
  return {
    target: textOf(question),
    level: policy.level,
    rules: policy.rules,
    source,
    allowed: verdict.allowed,
    ...(verdict.rule === undefined ? {} : { rule: verdict.rule }),
    ...(verdict.allowed ? {} : { reason: verdict.reason, ...(verdict.hint === undefined ? {} : { hint: verdict.hint }) }),
    notes: notesOn(policy, question, verdict),
  }
}

function decide(policy: CompiledPolicy, question: Question): Verdict {
  if (question.kind === 'request') return policy.decideRequest(question)
  const { name, address, port, protocol } = question
  return name === undefined ? policy.decideAddress(address!, port, protocol) : policy.decideName(name, port, protocol)
}

function notesOn(policy: CompiledPolicy, question: Question, verdict: Verdict): readonly string[] {
  if (!verdict.allowed) return []
  const host = question.kind === 'request' ? question.host : (question.name ?? question.address!)
  const isName = parseAddress(host) === undefined
  const opened = question.kind === 'connection' && question.protocol === 'tcp' && policy.opens(host, question.port)
  return [
    ...(opened ? ['rules about requests exist for this host, so each of its requests is decided by itself'] : []),
    ...(isName ? ['the addresses that the name has are checked each time it is reached: private ones need a rule of their own'] : []),
  ]
}

function textOf(question: Question): string {
  if (question.kind === 'connection') return targetText(question.name ?? question.address!, question.port, question.protocol)
  const { scheme, host, port, method, path } = question
  const shownPort = port === DEFAULT_PORT[scheme] ? '' : `:${port}`
  return `${method} ${scheme}://${host.includes(':') ? `[${host}]` : host}${shownPort}${path}`
}

function questionOf(text: string, method: string): Question {
  const url = /^(https?):\/\/(\[[^\]]*\]|[^/:?#]*)(?::(\d{1,5}))?([/?][^#]*)?$/.exec(text)
  if (url !== null) {
    const [, scheme, host, port, path = '/'] = url as unknown as [string, 'http' | 'https', string, string | undefined, string | undefined]
    const { name, address } = hostOf(host, text)
    return {
      kind: 'request',
      host: name ?? address!,
      port: portOf(port, text) ?? DEFAULT_PORT[scheme],
      scheme,
      method,
      path: path.startsWith('/') ? path : `/${path}`,
    }
  }
  const udp = text.startsWith('udp:')
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(udp ? text.slice('udp:'.length) : text)
  const bare = parseAddress(text)
  if (bare !== undefined) return { kind: 'connection', address: formatAddress(bare), port: DEFAULT, protocol: 'tcp' }
  if (match === null) throw unreadable(text)
  return { kind: 'connection', ...hostOf(match[1]!, text), port: portOf(match[2], text) ?? DEFAULT, protocol: udp ? 'udp' : 'tcp' }
}

function hostOf(written: string, text: string): { readonly name?: string; readonly address?: string } {
  const address = parseAddress(written.replace(/^\[(.*)\]$/, '$1'))
  if (address !== undefined) return { address: formatAddress(address) }
  const parsed = parseName(written)
  if ('problem' in parsed) throw unreadable(text)
  return { name: parsed.name }
}

function portOf(text: string | undefined, target: string): number | undefined {
  if (text === undefined) return undefined
  const port = Number(text)
  if (port >= 1 && port <= 65_535) return port
  throw unreadable(target)
}

function unreadable(text: string): AppError {
  return new AppError('invalid_argument', `${shown(text)} is no host that could be reached`, {
    fix: 'Write example.com, example.com:22, udp:example.com:53, 10.0.0.5:5432, [::1]:80 or https://example.com/path.',
  })
}

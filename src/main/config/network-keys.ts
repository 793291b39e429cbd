import { AppError, isAppError } from '../../contract/errors.ts'
import { checkGitRule, type GitRule } from '../../contract/git-rules.ts'
import type { ProxyHook, PublishedPort } from '../../contract/network.ts'
import { parsePublishedPort } from '../../contract/published-port.ts'
import type { ConfigFile } from '../../contract/schemas/config-keys.ts'
import { checkHook } from '../../egress/hooks/check-hook.ts'
import { oneLine } from '../../lib/one-line.ts'
import { parseRule } from '../../policy/network/parse-rule.ts'
import { dotted } from './explain.ts'
import type { KeyPath } from './locate-key.ts'
import type { ParsedConfig } from './parse.ts'

/** A screen of mistakes; nobody reads more. */
const MOST_TOLD = 10

/** Checks what the table of keys cannot: network rules, git rules, hooks and ports. All problems are told at once. Errors: `config_invalid`. */
export function checkNetworkKeys({ file, locate }: ParsedConfig, shownAs: string): void {
  const { allow = [], block = [] } = file.security?.domains ?? {}
  const problems: { readonly path: KeyPath; readonly problem: string }[] = []
  const check = (path: KeyPath, problem: string | undefined): void => {
    if (problem !== undefined) problems.push({ path, problem })
  }
  allow.forEach((rule, index) => check(['security', 'domains', 'allow', index], ruleProblem(rule)))
  block.forEach((rule, index) => check(['security', 'domains', 'block', index], ruleProblem(rule)))
  for (const { path, text } of portTexts(file)) check(path, portProblem(text))
  file.network?.git?.forEach((rule, index) => check(['network', 'git', index], problemOf(checkGitRule(rule))))
  file.proxy?.hooks?.forEach((hook, index) => check(['proxy', 'hooks', index], problemOf(checkHook(hook))))
  ;(file.network?.extra_ca ?? []).forEach((path, index) =>
    check(['network', 'extra_ca', index], path.startsWith('/') ? undefined : 'write an absolute path'),
  )
  if (problems.length === 0) return
  const told = problems.slice(0, MOST_TOLD).map(({ path, problem }) => `${shownAs}:${locate(path)}: ${dotted(path)}: ${problem}`)
  if (problems.length > MOST_TOLD) told.push(`${shownAs}: and ${problems.length - MOST_TOLD} more of this kind`)
  throw new AppError('config_invalid', told.join('\n'))
}

/** The ports of a file that `checkNetworkKeys` has passed. */
export function publishedPorts(file: ConfigFile): readonly PublishedPort[] {
  return portTexts(file).flatMap(({ text }) => {
    const port = parsePublishedPort(text)
    return 'problem' in port ? [] : [port]
  })
}

/** `[[network.git]]` of a file that has been checked. */
export function gitRules({ network }: ConfigFile): readonly GitRule[] {
  return (network?.git ?? []).map(checkGitRule).flatMap((rule) => ('problem' in rule ? [] : [rule]))
}

/** `[[proxy.hooks]]` of a file that has been checked. */
export function proxyHooks({ proxy }: ConfigFile): readonly ProxyHook[] {
  return (proxy?.hooks ?? []).map(checkHook).flatMap((hook) => ('problem' in hook ? [] : [hook]))
}

const problemOf = (checked: object): string | undefined => ('problem' in checked ? String(checked.problem) : undefined)

/** `[network] ports` as they are, and `[ports]` as `HOST:SANDBOX`. */
function portTexts({ network, ports }: ConfigFile): readonly { readonly path: KeyPath; readonly text: string }[] {
  return [
    ...(network?.ports ?? []).map((text, index) => ({ path: ['network', 'ports', index], text })),
    ...Object.entries(ports ?? {}).map(([host, sandbox]) => ({ path: ['ports', host], text: `${host}:${sandbox}` })),
  ]
}

function ruleProblem(rule: string): string | undefined {
  try {
    parseRule(rule)
    return undefined
  } catch (error) {
    if (!isAppError(error)) throw error
    return `${error.message}. ${error.fix}`
  }
}

function portProblem(text: string): string | undefined {
  const port = parsePublishedPort(text)
  return 'problem' in port ? `"${oneLine(text.slice(0, 60))}": ${port.problem}` : undefined
}

import type { LearnedRule, LearnReport } from '../../contract/network-reports.ts'
import { allowHint, shown } from './shown.ts'

const MOST_NAMES = 4
const MOST_REFUSED = 10

/** What was learned as arguments, one a line, each with its evidence behind `#`. Ends with a line end. */
export function learnedText(report: LearnReport): string {
  const lines = report.rules.map((rule) => [allowHint(rule.rule), evidence(rule)] as const)
  const width = Math.min(60, Math.max(0, ...lines.map(([argument]) => argument.length)))
  return [
    `# ${summary(report)}`,
    ...lines.map(([argument, why]) => `${argument.padEnd(width)}  # ${why}`),
    ...refusedLines(report),
    '',
  ].join('\n')
}

/** The same as a piece of a config file. */
export function learnedToml(report: LearnReport): string {
  const rules = report.rules.map((rule) => `  ${JSON.stringify(rule.rule)}, # ${evidence(rule)}`)
  return [
    `# ${summary(report)}`,
    '[security.domains]',
    'allowlist_only = true',
    'allow = [',
    ...rules,
    ']',
    ...refusedLines(report),
    '',
  ].join('\n')
}

function summary({ rules, connections, hosts, incomplete }: LearnReport): string {
  if (rules.length === 0) return 'nothing was reached, so no rule is needed'
  const left = incomplete ? '; there were more hosts than are kept, so they are not all' : ''
  return `${counted(rules.length, 'rule')} for ${counted(connections, 'connection')} to ${counted(hosts, 'host')}${left}`
}

function evidence({ hosts, rule, connections, requests }: LearnedRule): string {
  const counts = [counted(connections, 'connection'), ...(requests === 0 ? [] : [counted(requests, 'request')])].join(', ')
  if (!rule.replace(/^udp:/, '').startsWith('*.')) return counts
  const more = hosts.length > MOST_NAMES ? ` and ${hosts.length - MOST_NAMES} more` : ''
  return `${counts}: ${hosts.slice(0, MOST_NAMES).join(', ')}${more}`
}

function refusedLines({ refused }: LearnReport): readonly string[] {
  const lines = refused.slice(0, MOST_REFUSED).map(({ target, count, reason }) => {
    return `# refused even so, ${count === 1 ? 'once' : `${count} times`}: ${target}${reason === undefined ? '' : ` (${shown(reason).slice(1, -1)})`}`
  })
  return refused.length > MOST_REFUSED ? [...lines, `# and ${refused.length - MOST_REFUSED} more that were refused`] : lines
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`
}

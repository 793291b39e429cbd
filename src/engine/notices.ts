import type { ResolvedConfig } from '../contract/config.ts'
import type { ResolvedPermissions } from '../policy/permissions.ts'
import type { WorkspaceChoice } from './workspace/describe.ts'

/** What a run is about to do, as far as its user may be surprised by it. */
export interface NoticeFacts {
  readonly config: ResolvedConfig
  readonly resolved: ResolvedPermissions
  readonly workspace: WorkspaceChoice
  readonly cwd: string
}

/** One sentence, and the scope in which it is said once: a folder, or '' for the user. */
interface Notice {
  readonly scope: string
  readonly text: string
}

/**
 * What the user should know before the command's own output begins. Each sentence is said once: for a user, or for a
 * project when it is about one. `doctor` says them every time.
 */
export function noticesBefore(firstTime: (key: string, scope?: string) => boolean, facts: NoticeFacts): string[] {
  return [...aboutConfig(facts), ...aboutNetwork(facts), ...aboutWorkspace(facts)]
    .filter(({ text, scope }) => firstTime(text, scope))
    .map(({ text }) => text)
}

function aboutConfig({ config, workspace, cwd }: NoticeFacts): Notice[] {
  const { warnings, inertKeys, laterKeys, image, sources } = config
  // An edited file is a new one: whoever trusted the old one wants to hear that the new one does not count.
  const scope = [workspace.view?.hostPath ?? cwd, ...sources.map((source) => source.sha256)].join('\0')
  const notices = warnings.map((text): Notice => ({ scope, text }))
  if (inertKeys.length > 0) {
    const text = `not honoured, because a project's own file may only narrow: ${inertKeys.join(', ')}. Read the file, then run \`agentkernel trust\`.`
    notices.push({ scope, text })
  }
  if (laterKeys.length > 0) notices.push({ scope, text: `without effect in this release: ${laterKeys.join(', ')}.` })
  if (image !== undefined && image !== 'host') {
    notices.push({
      scope,
      text: `the configured image ${image} cannot be used in this release; the command runs on this machine's own programs.`,
    })
  }
  return notices
}

function aboutNetwork({ resolved }: NoticeFacts): Notice[] {
  if (resolved.impliedNetwork === 'none') return []
  return [
    {
      scope: '',
      text: 'the network is off in this release, whatever the profile; its policed way out arrives with a later one. (Said once.)',
    },
  ]
}

function aboutWorkspace({ workspace, cwd }: NoticeFacts): Notice[] {
  return workspace.notice === undefined ? [] : [{ scope: cwd, text: workspace.notice }]
}

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

/** One sentence, and the scope in which it is said once: a folder, or '' for the user. Undefined = every time. */
interface Notice {
  readonly scope: string | undefined
  readonly text: string
}

/**
 * What the user should know before the command's own output begins. Mistakes in a config are said until they are mended;
 * everything else once: for a user, or for a project when it is about one.
 */
export function noticesBefore(firstTime: (key: string, scope?: string) => boolean, facts: NoticeFacts): string[] {
  return [...aboutConfig(facts), ...aboutNetwork(facts), ...aboutWorkspace(facts)]
    .filter(({ text, scope }) => scope === undefined || firstTime(text, scope))
    .map(({ text }) => text)
}

/** The same for a reply that is read once: what is said once for a user is said once here too; about the workspace only when one was asked for. */
export function noticesAbout(firstTime: (key: string, scope?: string) => boolean, facts: NoticeFacts, withWorkspace: boolean): string[] {
  const once = aboutNetwork(facts).filter(({ text, scope }) => firstTime(text, scope))
  return [...aboutConfig(facts), ...once, ...(withWorkspace ? aboutWorkspace(facts) : [])].map(({ text }) => text)
}

function aboutConfig({ config, workspace, cwd }: NoticeFacts): Notice[] {
  const { warnings, inertKeys, laterKeys, image, sources } = config
  // An edited file is a new one: whoever trusted the old one wants to hear that the new one does not count.
  const scope = [workspace.view?.hostPath ?? cwd, ...sources.map((source) => source.sha256)].join('\0')
  const notices = warnings.map((text): Notice => ({ scope: undefined, text }))
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
  if (resolved.permissions.network !== 'public') return []
  return [
    {
      scope: '',
      text: 'public hosts can be reached; this machine, private networks and cloud metadata cannot. Narrow it with --allow HOST or --no-network. (Said once.)',
    },
  ]
}

function aboutWorkspace({ workspace, resolved, cwd }: NoticeFacts): Notice[] {
  if (workspace.notice !== undefined) return [{ scope: cwd, text: workspace.notice }]
  if (resolved.permissions.workspace === 'none') {
    return [{ scope: cwd, text: 'nothing of your project is shown inside; add --workspace copy for a private copy of it.' }]
  }
  const hidden = workspace.view?.mode === 'copy' ? workspace.view.hidden : []
  return hidden.length === 0
    ? []
    : [{ scope: cwd, text: `not in the copy, because they look like secrets or are not plain files: ${listOf(hidden)}.` }]
}

/** Most names that a notice spells out. */
const MOST_NAMES = 5

function listOf(names: readonly string[]): string {
  const shown = names.slice(0, MOST_NAMES).join(', ')
  return names.length <= MOST_NAMES ? shown : `${shown} and ${names.length - MOST_NAMES} more`
}

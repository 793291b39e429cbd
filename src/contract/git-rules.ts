/**
 * What may be pushed to a git server over HTTPS. As text, as `--git-push` takes it:
 *
 *     git.example.com=agent/*                          branches below agent/ of every repository there
 *     git.example.com/org/*=agent/*,refs/tags/agent-*  of repositories below org/; other refs in full
 *     git.example.com/org/app=+agent/*                 `+`: also what is no fast-forward
 *
 * A `*` stands at the end only and for anything. A ref without `refs/` is a branch. Deleting needs the configuration (`delete = true`).
 */
export interface GitRule {
  /** A name, lower case; any port. */
  readonly host: string
  /** Paths without a leading slash and without `.git`; a last `*` stands for anything. */
  readonly repos: readonly string[]
  /** Full names of refs; a last `*` stands for anything. */
  readonly push: readonly string[]
  /** Updates that are no fast-forward, too. */
  readonly force: boolean
  readonly delete: boolean
}

const HOST = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*$/
const REPO = /^(?!\/)(?!.*(?:\/\/|\.\.))[\w.~/-]{0,400}\*?$/
const REF = /^refs\/(?!.*(?:\/\/|\.\.))[\w./@+#-]{1,200}\*?$/
const MOST_PATTERNS = 100

/** A rule from its parts, checked; or what is wrong with it. */
export function checkGitRule(rule: {
  readonly host: string
  readonly repos?: readonly string[]
  readonly push: readonly string[]
  readonly force?: boolean
  readonly delete?: boolean
}): GitRule | { readonly problem: string } {
  const host = rule.host.toLowerCase().replace(/\.$/, '')
  if (!HOST.test(host)) return { problem: `"${host.slice(0, 60)}" is no host name` }
  const repos = (rule.repos ?? ['*']).map((repo) => repo.replace(/\.git$/, ''))
  const push = rule.push.map((ref) => (ref.startsWith('refs/') ? ref : `refs/heads/${ref}`))
  if (repos.length === 0 || repos.length > MOST_PATTERNS || push.length > MOST_PATTERNS) {
    return { problem: `a rule has 1 to ${MOST_PATTERNS} repositories and at most ${MOST_PATTERNS} refs` }
  }
  const badRepo = repos.find((repo) => repo === '' || !REPO.test(repo))
  if (badRepo !== undefined) return { problem: `"${badRepo.slice(0, 60)}" is no path of a repository; write org/name, org/* or *` }
  const badRef = push.find((ref) => !REF.test(ref))
  if (badRef !== undefined) return { problem: `"${badRef.slice(0, 60)}" is no ref; write agent/*, or a full name such as refs/tags/v1` }
  return { host, repos, push, force: rule.force ?? false, delete: rule.delete ?? false }
}

/** A rule as text: see above. One for refs with `+`, one for those without. */
export function parseGitRule(text: string): readonly GitRule[] | { readonly problem: string } {
  const at = text.indexOf('=')
  const place = text.slice(0, at)
  const refs = text.slice(at + 1).split(',')
  if (at < 1 || refs.includes('')) return { problem: 'write HOST[/REPO]=REF[,REF], for example git.example.com/org/*=agent/*' }
  const slash = place.indexOf('/')
  const host = slash < 0 ? place : place.slice(0, slash)
  const repos = slash < 0 ? ['*'] : [place.slice(slash + 1)]
  const found: GitRule[] = []
  for (const force of [false, true]) {
    const push = refs.filter((ref) => ref.startsWith('+') === force).map((ref) => (force ? ref.slice(1) : ref))
    if (push.length === 0) continue
    const rule = checkGitRule({ host, repos, push, force })
    if ('problem' in rule) return rule
    found.push(rule)
  }
  return found
}

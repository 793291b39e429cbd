import type { ProxyHook } from '../../contract/network.ts'
import type { HookRequest } from '../../contract/proxy-hooks.ts'

const NAME = /^[A-Za-z0-9][\w.-]{0,63}$/
const PART = /^[A-Za-z0-9_][\w.-]{0,100}$/
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

/** The hook, checked; or what is wrong with it. */
export function checkHook({ name, event, target }: HookRequest): ProxyHook | { readonly problem: string } {
  if (!NAME.test(name)) return { problem: `the name ${JSON.stringify(name.slice(0, 70))} is none; use letters, digits, "_", "." and "-"` }
  const { type, url, path } = target
  if (type !== 'webhook' && url !== undefined) return { problem: `a target of type ${type} has no url` }
  if (type !== 'file' && path !== undefined) return { problem: `a target of type ${type} has no path` }
  if (type === 'audit') return { name, event, target: { type } }
  if (type === 'file') {
    const problem = pathProblem(path)
    return problem === undefined && path !== undefined
      ? { name, event, target: { type, path } }
      : { problem: problem ?? 'a file needs a path' }
  }
  const problem = urlProblem(url)
  return problem === undefined && url !== undefined
    ? { name, event, target: { type, url } }
    : { problem: problem ?? 'a webhook needs a url' }
}

/** Below our own folder, so that no other file there is written to. */
function pathProblem(path: string | undefined): string | undefined {
  if (path === undefined) return 'a file needs a path'
  const parts = path.split('/')
  if (path.startsWith('/') || path.startsWith('~')) return 'the path of a file is relative: it lies below `hooks` of the data folder'
  if (parts.length > 4 || !parts.every((part) => PART.test(part))) {
    return 'the path of a file has at most four parts of letters, digits, "_", "." and "-", and leads nowhere else'
  }
  return undefined
}

function urlProblem(text: string | undefined): string | undefined {
  if (text === undefined) return 'a webhook needs a url'
  const url = URL.parse(text)
  if (url === null || text.length > 2_048 || /[\0-\x20\x7f]/.test(text)) return 'the url cannot be read'
  if (url.username !== '' || url.password !== '') return 'a url with a password in it would be shown; put a token into its path'
  if (url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname))) return undefined
  return 'a webhook goes over https, or over http to this machine'
}

/** As others see it: the path of a webhook may hold a token, so that only where it goes is shown. */
export function shownHook(hook: ProxyHook): ProxyHook {
  if (hook.target.type !== 'webhook') return hook
  const { origin, pathname, search } = new URL(hook.target.url)
  return { ...hook, target: { type: 'webhook', url: pathname === '/' && search === '' ? origin : `${origin}/…` } }
}

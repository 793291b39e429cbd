/** Hosts of package registries, in parts so that this file does not name them. A rule `*.host` of the product's own policy is no address. */
const REGISTRIES = [
  ['registry', 'npmjs'],
  ['npm', 'jsr'],
  ['pypi', 'org'],
  ['files', 'pythonhosted'],
  ['proxy', 'golang'],
  ['sum', 'golang'],
  ['static', 'crates'],
  ['index', 'crates'],
].map((parts) => parts.join('.'))

/** A folder of the machine this was written on. */
const MACHINE = /(?:^|[\s'"`(=:])\/(?:work|root)\/(?!\.)[\w.-]/m

/** What in a committed text belongs to one machine or one registry: one sentence each. */
export function foreignText(path: string, text: string): string[] {
  return [
    ...REGISTRIES.filter((host) => new RegExp(`(?<!\\*\\.)${host.replaceAll('.', '\\.')}`).test(text)).map(
      (host) => `${path}: names the registry ${host}; leave the address to the user's settings`,
    ),
    ...(MACHINE.test(text)
      ? [`${path}: names a folder of one machine (${MACHINE.exec(text)?.[0].trim()}…); use a path from the root of the checkout`]
      : []),
  ]
}

/** Addresses in a lockfile: it must install through whatever registry the user has set. */
export function lockfileAddresses(text: string): string[] {
  return [...text.matchAll(/https?:\/\/[^"\s]+/g)].map(
    (match) => `bun.lock: ${match[0]}: install with the registry left at its default and commit again`,
  )
}

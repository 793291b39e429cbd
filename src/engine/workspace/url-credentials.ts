/** Schemes whose user name is a login to a service; elsewhere (`ssh://git@…`) the name is part of the address. */
const LOGIN_SCHEMES = /^(https?|ftps?|svn|socks[45]?h?)$/i
const ADDRESS = /\b([a-z][a-z0-9+.-]{0,20}):\/\/([^\s/]*)@/gi
const QUERY_SECRET = /([?&](?:[a-z0-9]{1,20}[_-])?(?:token|key|password|secret)=)[^&\s"']+/gi

/** Removes user names and passwords from every URL in the text, and the values of token parameters. */
export function stripUrlCredentials(text: string): string {
  const bare = text.replace(ADDRESS, (whole, scheme: string, login: string) => {
    if (LOGIN_SCHEMES.test(scheme)) return `${scheme}://`
    const colon = login.indexOf(':')
    return colon < 0 ? whole : `${scheme}://${login.slice(0, colon)}@`
  })
  return bare.replace(QUERY_SECRET, '$1')
}

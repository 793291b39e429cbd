const ID = /^[A-Za-z0-9._-]{1,128}$/

/** The caller's `X-Request-Id`, where it is one that can stand in a log line; otherwise one of ours. */
export function requestIdOf(headers: Headers): string {
  const given = headers.get('x-request-id')
  return given !== null && ID.test(given) ? given : crypto.randomUUID()
}

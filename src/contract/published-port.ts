import type { PublishedPort } from './network.ts'

const FORM = 'write HOST:SANDBOX, ADDRESS:HOST:SANDBOX or SANDBOX, with /udp for UDP, as in 8080:80 or 0.0.0.0:5353:53/udp'
const LOOPBACK = '127.0.0.1'
const QUAD = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/

/**
 * Reads `[ADDRESS:]HOST:SANDBOX[/tcp|/udp]`. Without HOST, and with 0, the host chooses the port; without ADDRESS it listens on
 * 127.0.0.1. An IPv6 address stands in brackets. A text that is none gives the reason, a clause that is safe to print.
 */
export function parsePublishedPort(text: string): PublishedPort | { readonly problem: string } {
  const match = /^(?:(?:(\[[0-9a-f:.]{2,45}\]|[a-z0-9.]{1,253}):)?(\d{0,5}):)?(\d{1,5})(?:\/(tcp|udp))?$/i.exec(text)
  if (match === null) return { problem: `that is no port to publish; ${FORM}` }
  const [, address, host = '', sandbox = '', protocol = 'tcp'] = match
  const hostAddress = address === undefined ? LOOPBACK : addressOf(address.toLowerCase())
  if (hostAddress === undefined)
    return { problem: 'the address is no address of a network interface; write four decimal numbers, or IPv6 in brackets' }
  const [hostPort, sandboxPort] = [Number(host), Number(sandbox)]
  if (hostPort > 65_535 || sandboxPort > 65_535 || sandboxPort === 0) return { problem: 'ports go from 1 to 65535' }
  // The expression lets only these two through, in any case.
  return { hostAddress, hostPort, sandboxPort, protocol: protocol.toLowerCase() as 'tcp' | 'udp' }
}

function addressOf(text: string): string | undefined {
  if (text === 'localhost') return LOOPBACK
  if (!text.startsWith('[')) return QUAD.test(text) ? text : undefined
  const url = `http://${text}/`
  // Loading node:net would cost every run more than this; the URL parser knows IPv6 and writes it in its usual form.
  return URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : undefined
}

/** The text of a port, as short as it can be said: `8080:80`, `80` where the host chooses, `0.0.0.0:8080:80`, `[::1]:0:53/udp`. */
export function formatPublishedPort(port: PublishedPort): string {
  const { hostAddress, hostPort, sandboxPort, protocol } = port
  const host = hostAddress !== LOOPBACK ? `${placeOf(port)}:` : hostPort === 0 ? '' : `${hostPort}:`
  return `${host}${sandboxPort}${protocol === 'udp' ? '/udp' : ''}`
}

/** Where the host listens: `127.0.0.1:8080`, `[::1]:8080`. */
export function placeOf({ hostAddress, hostPort }: PublishedPort): string {
  return `${hostAddress.includes(':') ? `[${hostAddress}]` : hostAddress}:${hostPort}`
}

/** Each port once: what a config file and a flag both ask for is one wish. */
export function eachOnce(ports: readonly PublishedPort[]): readonly PublishedPort[] {
  return [...new Map(ports.map((port) => [formatPublishedPort(port), port])).values()]
}

/** What to tell whoever publishes ports beyond this machine; nothing otherwise. */
export function farPortNotices(ports: readonly PublishedPort[]): string[] {
  const far = ports.filter((port) => !isLoopback(port)).map(formatPublishedPort)
  return far.length === 0 ? [] : [`published beyond this machine: ${far.join(', ')}; everyone on your network can reach it.`]
}

/** True when only this machine reaches it. */
export function isLoopback({ hostAddress }: PublishedPort): boolean {
  return hostAddress === '::1' || (QUAD.test(hostAddress) && hostAddress.startsWith('127.'))
}

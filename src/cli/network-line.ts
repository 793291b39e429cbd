import type { NetworkEvent } from '../contract/network.ts'

/** One refusal on the network, for a person; undefined for what was not refused. */
export function refusalLine({ verdict, host, address, port, method, path, reason, hint }: NetworkEvent): string | undefined {
  if (verdict !== 'denied') return undefined
  const target = `${host ?? address ?? 'unknown'}${port === undefined ? '' : `:${port}`}`
  const what = method === undefined ? target : `${method} ${target}${path ?? ''}`
  return `network: refused ${what}: ${reason ?? 'no rule allows it'}${hint === undefined ? '' : `; to allow it: ${hint}`}`
}

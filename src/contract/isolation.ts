/** Kinds of isolation from strongest to weakest. A namespace sandbox counts as `container`. */
export const ISOLATION_ORDER = ['vm', 'kernel', 'container', 'process'] as const
export type Isolation = (typeof ISOLATION_ORDER)[number]

/** True when `offered` isolates at least as much as `wanted`. */
export function isolationAtLeast(offered: Isolation, wanted: Isolation): boolean {
  return ISOLATION_ORDER.indexOf(offered) <= ISOLATION_ORDER.indexOf(wanted)
}

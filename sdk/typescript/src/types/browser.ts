import type { RequestOptions } from '../transport.ts'

export interface BrowserOptions extends RequestOptions {
  /** @default 2048 */
  memory_mb?: number
  /** @default python:3.12-slim */
  image?: string
}

export interface PageLink {
  text: string
  href: string
}
export interface PageResult {
  title: string
  /** After redirects. */
  url: string
  /** Text of the page, at most about 8 KB. */
  text: string
  /** At most 50. */
  links: PageLink[]
}

/** A page as its tree of roles and names. */
export interface AriaSnapshot {
  /** YAML. */
  snapshot: string
  url: string
  title: string
  /** What `click` and `fill` take as `ref`: `e1`, `e2`. */
  refs: string[]
}

export interface BrowserEvent {
  /** Rises by one. */
  seq: number
  /** Such as `page.navigated`. */
  type: string
  page: string
  /** ISO 8601. */
  ts: string
  [field: string]: unknown
}

/** What to act on: one of the two. */
export interface ElementTarget {
  ref?: string
  selector?: string
  /** @default default */
  page?: string
}

import type { RequestOptions } from '../transport.ts'

export interface SnapshotMeta {
  name: string
  sandbox: string
  image_tag: string
  backend: string
  base_image?: string
  vcpus?: number
  memory_mb?: number
  created_at: string
}
export interface TakeSnapshotOptions extends RequestOptions {
  sandbox: string
  /** @default the sandbox's name and the date */
  name?: string
}
export interface RestoreSnapshotOptions extends RequestOptions {
  /** Name of the new sandbox. @default the old one's with `-restored` */
  as_name?: string
}

export type Orchestration = Record<string, unknown>
export type OrchestrationDefinition = Record<string, unknown>
export type DurableObject = Record<string, unknown>
export type Schedule = Record<string, unknown>
export type DurableStore = Record<string, unknown>

export type CreateOrchestrationRequest = Record<string, unknown>
export type CreateObjectRequest = Record<string, unknown>
export type CreateScheduleRequest = Record<string, unknown>
export type CreateStoreRequest = Record<string, unknown>

export interface StoreStatement {
  sql: string
  params?: unknown[]
}
export interface StoreQueryResult {
  columns: string[]
  rows: unknown[]
  row_count: number
  [field: string]: unknown
}
export interface StoreExecuteResult {
  rows_affected: number
  [field: string]: unknown
}

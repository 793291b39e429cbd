import type { RequestOptions } from '../transport.ts'
import type {
  CreateObjectRequest,
  CreateOrchestrationRequest,
  CreateScheduleRequest,
  CreateStoreRequest,
  DurableObject,
  DurableStore,
  Orchestration,
  OrchestrationDefinition,
  RestoreSnapshotOptions,
  Schedule,
  SnapshotMeta,
  StoreExecuteResult,
  StoreQueryResult,
  StoreStatement,
  TakeSnapshotOptions,
} from '../types/durable.ts'
import type { SandboxInfo } from '../types/sandboxes.ts'
import { route } from '../url.ts'
import { GovernanceClient } from './governance.ts'

type Fields = Record<string, unknown>

/** Snapshots, orchestrations, objects, schedules and stores. Errors: `not_available_yet` from a server that does not have them. */
export abstract class DurableClient extends GovernanceClient {
  async listSnapshots(options?: RequestOptions): Promise<SnapshotMeta[]> {
    return this.api.json('GET', '/snapshots', { options })
  }

  async takeSnapshot(options: TakeSnapshotOptions): Promise<SnapshotMeta> {
    const { sandbox, name } = options
    return this.api.json('POST', '/snapshots', { body: { sandbox, name }, options })
  }

  async getSnapshot(name: string, options?: RequestOptions): Promise<SnapshotMeta> {
    return this.api.json('GET', route('snapshots', name), { options })
  }

  async deleteSnapshot(name: string, options?: RequestOptions): Promise<void> {
    await this.api.json('DELETE', route('snapshots', name), { options })
  }

  /** Makes a sandbox from a snapshot, and does not start it. */
  async restoreSnapshot(name: string, options: RestoreSnapshotOptions = {}): Promise<SandboxInfo> {
    const { as_name } = options
    const body = as_name === undefined ? {} : { body: { as_name } }
    return this.api.json('POST', route('snapshots', name, 'restore'), { ...body, options })
  }

  async listOrchestrations(options?: RequestOptions): Promise<Orchestration[]> {
    return this.api.json('GET', '/orchestrations', { options })
  }

  async createOrchestration(request: CreateOrchestrationRequest, options?: RequestOptions): Promise<Orchestration> {
    return this.api.json('POST', '/orchestrations', { body: request, options })
  }

  /** With its history. */
  async getOrchestration(id: string, options?: RequestOptions): Promise<Orchestration> {
    return this.api.json('GET', route('orchestrations', id), { options })
  }

  /** Sends it an event: `{ name, data }`. */
  async signalOrchestration(id: string, payload: Fields, options?: RequestOptions): Promise<Fields> {
    return this.api.json('POST', route('orchestrations', id, 'events'), { body: payload, options })
  }

  /** Ends it: `{ reason }`. */
  async terminateOrchestration(id: string, payload: Fields = {}, options?: RequestOptions): Promise<Orchestration> {
    return this.api.json('POST', route('orchestrations', id, 'terminate'), { body: payload, options })
  }

  async patchOrchestration(id: string, change: Fields, options?: RequestOptions): Promise<Orchestration> {
    return this.api.json('PATCH', route('orchestrations', id), { body: change, options })
  }

  async deleteOrchestration(id: string, options?: RequestOptions): Promise<void> {
    await this.api.json('DELETE', route('orchestrations', id), { options })
  }

  async listOrchestrationDefinitions(options?: RequestOptions): Promise<OrchestrationDefinition[]> {
    return this.api.json('GET', '/orchestrations/definitions', { options })
  }

  /** Stores a definition under its `name`. */
  async upsertOrchestrationDefinition(definition: OrchestrationDefinition, options?: RequestOptions): Promise<OrchestrationDefinition> {
    return this.api.json('POST', '/orchestrations/definitions', { body: definition, options })
  }

  async getOrchestrationDefinition(name: string, options?: RequestOptions): Promise<OrchestrationDefinition> {
    return this.api.json('GET', route('orchestrations', 'definitions', name), { options })
  }

  async deleteOrchestrationDefinition(name: string, options?: RequestOptions): Promise<void> {
    await this.api.json('DELETE', route('orchestrations', 'definitions', name), { options })
  }

  async listObjects(options?: RequestOptions): Promise<DurableObject[]> {
    return this.api.json('GET', '/objects', { options })
  }

  async createObject(request: CreateObjectRequest, options?: RequestOptions): Promise<DurableObject> {
    return this.api.json('POST', '/objects', { body: request, options })
  }

  async getObject(id: string, options?: RequestOptions): Promise<DurableObject> {
    return this.api.json('GET', route('objects', id), { options })
  }

  async patchObject(id: string, change: Fields, options?: RequestOptions): Promise<DurableObject> {
    return this.api.json('PATCH', route('objects', id), { body: change, options })
  }

  async deleteObject(id: string, options?: RequestOptions): Promise<void> {
    await this.api.json('DELETE', route('objects', id), { options })
  }

  /** Calls a method of an object, which is made or woken for it. Resolves with what the object answers, JSON or text. */
  async callObject(className: string, objectId: string, method: string, args: unknown = {}, options?: RequestOptions): Promise<unknown> {
    return this.api.raw('POST', route('objects', className, objectId, 'call', method), { body: args, options })
  }

  /** Wakes an object by its alarm. */
  async alarmObject(className: string, objectId: string, payload: unknown = {}, options?: RequestOptions): Promise<unknown> {
    return this.api.raw('POST', route('objects', className, objectId, 'alarm'), { body: payload, options })
  }

  async listSchedules(options?: RequestOptions): Promise<Schedule[]> {
    return this.api.json('GET', '/schedules', { options })
  }

  async createSchedule(request: CreateScheduleRequest, options?: RequestOptions): Promise<Schedule> {
    return this.api.json('POST', '/schedules', { body: request, options })
  }

  async getSchedule(id: string, options?: RequestOptions): Promise<Schedule> {
    return this.api.json('GET', route('schedules', id), { options })
  }

  async deleteSchedule(id: string, options?: RequestOptions): Promise<void> {
    await this.api.json('DELETE', route('schedules', id), { options })
  }

  /** Runs it now. */
  async triggerSchedule(id: string, options?: RequestOptions): Promise<Schedule> {
    return this.api.json('POST', route('schedules', id, 'trigger'), { body: {}, options })
  }

  async listStores(options?: RequestOptions): Promise<DurableStore[]> {
    return this.api.json('GET', '/stores', { options })
  }

  async createStore(request: CreateStoreRequest, options?: RequestOptions): Promise<DurableStore> {
    return this.api.json('POST', '/stores', { body: request, options })
  }

  async getStore(id: string, options?: RequestOptions): Promise<DurableStore> {
    return this.api.json('GET', route('stores', id), { options })
  }

  async deleteStore(id: string, options?: RequestOptions): Promise<void> {
    await this.api.json('DELETE', route('stores', id), { options })
  }

  /** A statement that reads: SQL, or `{ sql, params }`. */
  async queryStore(
    id: string,
    statement: string | StoreStatement,
    params?: unknown[],
    options?: RequestOptions,
  ): Promise<StoreQueryResult> {
    return this.api.json('POST', route('stores', id, 'query'), { body: statementOf(statement, params), options })
  }

  /** A statement that writes: SQL, or `{ sql, params }`. */
  async executeStore(
    id: string,
    statement: string | StoreStatement,
    params?: unknown[],
    options?: RequestOptions,
  ): Promise<StoreExecuteResult> {
    return this.api.json('POST', route('stores', id, 'execute'), { body: statementOf(statement, params), options })
  }

  /** A command of a store without SQL: its words, or `{ command }`. */
  async commandStore(id: string, command: string[] | { command: string[] }, options?: RequestOptions): Promise<unknown> {
    const body = Array.isArray(command) ? { command } : command
    return this.api.json('POST', route('stores', id, 'command'), { body, options })
  }

  /** A Redis command in a sandbox. */
  async redisCommand(name: string, command: string[], options?: RequestOptions): Promise<unknown> {
    return this.api.json('POST', route('sandboxes', name, 'redis'), { body: { command }, options })
  }
}

function statementOf(statement: string | StoreStatement, params: unknown[] | undefined): StoreStatement {
  if (typeof statement !== 'string') return statement
  return { sql: statement, ...(params && { params }) }
}

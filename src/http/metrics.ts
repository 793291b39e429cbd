import type { SandboxOperations } from '../contract/sandbox-operations.ts'
import type { LifecycleEvent, LifecycleEventName } from '../contract/sandboxes.ts'
import type { Counter, Gauge, Histogram, Metrics } from '../lib/metrics.ts'

/** Events that count as a step of a sandbox's life, and the step. */
const STEPS: Partial<Record<LifecycleEventName, string>> = {
  'sandbox.created': 'created',
  'sandbox.started': 'started',
  'sandbox.stopped': 'stopped',
  'sandbox.archived': 'archived',
  'sandbox.failed': 'failed',
  'sandbox.deleted': 'removed',
}

/** The metrics of the product. Names are those of the earlier one. */
export class HttpMetrics {
  readonly #registry: Metrics
  readonly #requests: Counter<'method' | 'path' | 'status'>
  readonly #seconds: Histogram<'method' | 'path'>
  readonly #steps: Counter<'action' | 'backend'>
  readonly #stepSeconds: Histogram<'action' | 'backend'>
  readonly #active: Gauge<never>
  readonly #commands: Counter<'backend'>
  readonly #commandSeconds: Histogram<'backend'>

  constructor(registry: Metrics, version: string) {
    this.#registry = registry
    this.#requests = registry.counter('agentkernel_http_requests_total', 'Requests that were answered.', ['method', 'path', 'status'])
    this.#seconds = registry.histogram('agentkernel_http_request_duration_seconds', 'From a request to its answer.', ['method', 'path'])
    this.#steps = registry.counter('agentkernel_sandbox_lifecycle_total', 'Steps in the life of sandboxes.', ['action', 'backend'])
    this.#stepSeconds = registry.histogram('agentkernel_sandbox_lifecycle_duration_seconds', 'How long such a step took.', [
      'action',
      'backend',
    ])
    this.#active = registry.gauge('agentkernel_sandboxes_active', 'Sandboxes that run.')
    this.#commands = registry.counter('agentkernel_commands_total', 'Commands that ended.', ['backend'])
    this.#commandSeconds = registry.histogram('agentkernel_command_duration_seconds', 'How long commands took.', ['backend'])
    registry.gauge('agentkernel_build_info', 'Version of this server.', ['version']).set({ version }, 1)
  }

  /** `path` is the template of the route, never what the caller wrote. */
  request(method: string, path: string, status: number, seconds: number): void {
    const shown = path.replace(/\{(\w+)\}/g, ':$1')
    this.#requests.add({ method, path: shown, status: String(status) })
    this.#seconds.observe({ method, path: shown }, seconds)
  }

  /** One command of `/run`, which belongs to no sandbox that events tell of. */
  command(backend: string, seconds: number): void {
    this.#commands.add({ backend })
    this.#commandSeconds.observe({ backend }, seconds)
  }

  /** Counts what happens to sandboxes, whichever door it came through, until `signal`. */
  async follow(sandboxes: SandboxOperations, signal: AbortSignal): Promise<void> {
    for await (const event of sandboxes.events({}, signal)) this.#count(event)
  }

  /** Prometheus text. */
  async text(sandboxes: SandboxOperations): Promise<string> {
    this.#active.set({}, (await sandboxes.list({})).filter(({ status }) => status === 'running').length)
    return this.#registry.text()
  }

  #count({ event, metadata }: LifecycleEvent): void {
    const backend = typeof metadata['backend'] === 'string' ? metadata['backend'] : 'unknown'
    const seconds = typeof metadata['duration_ms'] === 'number' ? metadata['duration_ms'] / 1000 : undefined
    if (event === 'sandbox.exec.completed') return this.command(backend, seconds ?? 0)
    const action = STEPS[event]
    if (action === undefined) return
    this.#steps.add({ action, backend })
    if (seconds !== undefined) this.#stepSeconds.observe({ action, backend }, seconds)
  }
}

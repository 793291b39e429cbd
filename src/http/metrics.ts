import type { Counter, Histogram, Metrics } from '../lib/metrics.ts'

/** What this door adds to the metrics. Names are those of the earlier product; the engine counts sandboxes and their commands. */
export class HttpMetrics {
  readonly #registry: Metrics
  readonly #requests: Counter<'method' | 'path' | 'status'>
  readonly #seconds: Histogram<'method' | 'path'>
  readonly #commands: Counter<'backend'>
  readonly #commandSeconds: Histogram<'backend'>

  constructor(registry: Metrics, version: string) {
    this.#registry = registry
    this.#requests = registry.counter('agentkernel_http_requests_total', 'Requests that were answered.', ['method', 'path', 'status'])
    this.#seconds = registry.histogram('agentkernel_http_request_duration_seconds', 'From a request to its answer.', ['method', 'path'])
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

  /** Prometheus text. */
  text(): string {
    return this.#registry.text()
  }
}

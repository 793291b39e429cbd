import type { HttpMetrics } from '../metrics.ts'
import { openApiText } from '../openapi.ts'
import { referencePage } from '../reference-page.ts'
import type { Handlers } from '../handler.ts'
import { eventHandlers } from './events.ts'
import { execHandlers } from './exec.ts'
import { fileHandlers } from './files.ts'
import { llmHandlers } from './llm.ts'
import { networkHandlers } from './network.ts'
import { rawHandlers } from './raw.ts'
import { runHandlers } from './run.ts'
import { sandboxHandlers } from './sandboxes.ts'
import { secretHandlers } from './secrets.ts'
import { socketHandlers } from './sockets.ts'
import { systemHandlers } from './system.ts'

/** A handler for every operation that HTTP reaches. */
export function routeHandlers(metrics: HttpMetrics): Handlers {
  return {
    ...systemHandlers(performance.now()),
    ...eventHandlers,
    ...runHandlers,
    ...sandboxHandlers,
    ...execHandlers,
    ...fileHandlers,
    ...rawHandlers,
    ...llmHandlers,
    ...networkHandlers,
    ...socketHandlers,
    ...secretHandlers,
    metrics: async (_input, { deps }) => text(await metrics.text(deps.sandboxes), 'text/plain; version=0.0.4; charset=utf-8'),
    openapi: async (_input, { deps }) => text(openApiText(deps.version), 'application/json'),
    reference: async (_input, { deps }) => referencePage(deps.version),
  }
}

function text(body: string, type: string): Response {
  return new Response(body, { headers: { 'content-type': type, 'cache-control': 'no-store' } })
}

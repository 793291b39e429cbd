import * as z from 'zod'
import type { Operation } from '../operation.ts'
import { HookInfoSchema, HookRequestSchema, SandboxProxySchema } from '../schemas/network.ts'
import { named } from './sandboxes.ts'

/** The way out of sandboxes, and who is told of it. */
export const NETWORK_ROWS = {
  sandboxProxy: {
    summary: 'Show how a sandbox reaches the network',
    input: named,
    output: SandboxProxySchema,
    http: { method: 'GET', path: '/sandboxes/{name}/proxy' },
  },
  proxyHookList: {
    summary: 'List hooks that are told of requests',
    input: z.object({}),
    output: z.array(HookInfoSchema),
    http: { method: 'GET', path: '/proxy/hooks' },
  },
  proxyHookAdd: {
    summary: 'Tell a webhook, a file or the audit log of requests; needs an API key',
    input: HookRequestSchema,
    output: z.string(),
    http: { method: 'POST', path: '/proxy/hooks' },
    action: 'Create',
  },
  proxyHookRemove: {
    summary: 'Tell a hook of nothing any more; needs an API key',
    input: z.object({ name: z.string().describe('Name of the hook') }),
    output: z.string(),
    http: { method: 'DELETE', path: '/proxy/hooks/{name}' },
    action: 'Create',
  },
} as const satisfies Record<string, Operation>

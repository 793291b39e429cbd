import * as z from 'zod'
import { HOOK_EVENTS, HOOK_TARGETS } from '../network.ts'

export const HookRequestSchema = z
  .object({
    name: z.string().min(1).max(64),
    event: z.enum(HOOK_EVENTS),
    target: z.object({
      type: z.enum(HOOK_TARGETS),
      url: z.string().max(2048).exactOptional().describe('Of a webhook: https, or http on the machine of the server'),
      path: z.string().max(500).exactOptional().describe('Of a file: relative to `hooks` of the data folder'),
    }),
  })
  .meta({ id: 'HookRequest' })

export const HookInfoSchema = HookRequestSchema.extend({ source: z.enum(['config', 'api']) }).meta({ id: 'HookInfo' })

export const SandboxProxySchema = z
  .object({
    sandbox: z.string(),
    egress: z.enum(['tun', 'proxy', 'none']).exactOptional().describe('How its programs reach the gateway; absent before its first start'),
    bound_hosts: z.array(z.string()).describe('Hosts that secrets are bound to'),
    ca_fingerprint: z.string().exactOptional().describe('SHA-256 of its own authority; absent where no TLS is opened'),
    rules: z.object({ allow: z.array(z.string()), block: z.array(z.string()) }),
    git_rules: z
      .array(
        z.object({
          host: z.string(),
          repos: z.array(z.string()),
          push: z.array(z.string()),
          force: z.boolean(),
          delete: z.boolean(),
        }),
      )
      .exactOptional()
      .describe('What may be pushed over HTTPS'),
  })
  .meta({ id: 'SandboxProxy' })

import * as z from 'zod'
import type { Operation } from '../operation.ts'
import { SecretEntrySchema, secretName, SecretValueSchema } from '../schemas/secrets.ts'

/** The vault. Values go in through every door and come out through none but the command line. */
export const SECRET_ROWS = {
  secretList: {
    summary: 'List the secrets of the vault, without values',
    input: z.object({}),
    output: z.array(SecretEntrySchema),
    http: { method: 'GET', path: '/secrets' },
  },
  secretSet: {
    summary: 'Store a secret, or give it a new value',
    input: z.object({ name: secretName, value: SecretValueSchema }),
    output: z.literal('Secret stored'),
    http: { method: 'POST', path: '/secrets' },
    event: 'secret_set',
  },
  secretDelete: {
    summary: 'Delete a secret',
    input: z.object({ name: secretName }),
    output: z.literal('Secret deleted'),
    http: { method: 'DELETE', path: '/secrets/{name}' },
    event: 'secret_deleted',
  },
  secretGet: { summary: 'Give the value of a secret', input: z.object({ name: secretName }), event: 'secret_read' },
} as const satisfies Record<string, Operation>

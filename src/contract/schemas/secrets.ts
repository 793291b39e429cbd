import * as z from 'zod'
import { LARGEST_SECRET_BYTES, secretNameProblem, SWAP_PLACES } from '../secrets.ts'

export const secretName = z
  .string()
  .refine((name) => secretNameProblem(name) === undefined, 'must be 1 to 128 ASCII letters, digits, "-" and "_"')
  .describe('ASCII letters, digits, `-` and `_`; at most 128')

export const SecretValueSchema = z
  .string()
  .min(1)
  .refine((value) => Buffer.byteLength(value) <= LARGEST_SECRET_BYTES, `must have at most ${LARGEST_SECRET_BYTES} bytes`)
  .describe('At most 64 KiB; never given back')

export const SecretEntrySchema = z
  .object({
    name: z.string(),
    backend: z.enum(['file', 'env', 'keychain']),
    created_at: z.string().exactOptional(),
    updated_at: z.string().exactOptional(),
  })
  .meta({ id: 'SecretEntry' })

const texts = z.array(z.string().min(1).max(1024)).min(1).max(100)

/** A binding as a table; `SecretRequest` of contract/secrets.ts. */
export const SecretRequestSchema = z
  .object({
    name: z.string().describe('Variable inside the sandbox'),
    value: z.string().exactOptional().describe('Absent: from the vault'),
    host: z.union([z.string(), texts]).exactOptional().describe('Absent: known from the name'),
    header: z.string().exactOptional().describe('Gets the bare value; absent: `Authorization: Bearer VALUE`'),
    in: z.array(z.enum(SWAP_PLACES)).exactOptional().describe('Where else a placeholder is swapped'),
    methods: texts.exactOptional(),
    paths: texts.exactOptional().describe('`*` = any characters'),
  })
  .meta({ id: 'SecretRequest' })

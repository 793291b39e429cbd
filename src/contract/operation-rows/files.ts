import * as z from 'zod'
import type { Operation } from '../operation.ts'
import { FileChangeSchema, FileContentSchema, FileEntrySchema } from '../schemas/sandboxes.ts'
import { named } from './sandboxes.ts'

const path = z.string().describe('Absolute path inside the sandbox')
const file = named.extend({ path })
const mode = z
  .string()
  .regex(/^[0-7]{3,4}$/, 'must be octal, such as 0644')
  .exactOptional()
  .describe('Permissions of a new file, octal')

/** Files of a sandbox. */
export const FILE_ROWS = {
  fileRead: {
    summary: 'Read a file',
    input: file,
    output: FileContentSchema,
    http: { method: 'GET', path: '/sandboxes/{name}/files/{path}' },
    mcp: 'sandbox_file_read',
  },
  fileWrite: {
    summary: 'Write a file',
    input: file.extend({ content: z.string(), encoding: z.enum(['utf8', 'base64']).default('utf8'), mode }),
    output: z.string(),
    http: { method: 'PUT', path: '/sandboxes/{name}/files/{path}' },
    mcp: 'sandbox_file_write',
    action: 'Mount',
    event: 'file_written',
  },
  fileDelete: {
    summary: 'Delete a file or folder',
    input: file.extend({ recursive: z.boolean().default(false).describe('Folders with what is in them') }),
    output: z.string(),
    http: { method: 'DELETE', path: '/sandboxes/{name}/files/{path}' },
    action: 'Mount',
  },
  filesWrite: {
    summary: 'Write several files of text',
    input: named.extend({ files: z.record(z.string(), z.string()).describe('Absolute path to text') }),
    output: z.object({ written: z.int(), message: z.string() }),
    http: { method: 'POST', path: '/sandboxes/{name}/files' },
    mcp: 'sandbox_write_files',
    action: 'Mount',
    event: 'file_written',
  },
  fileStat: {
    summary: 'Show what a path is',
    input: file,
    output: FileEntrySchema,
    http: { method: 'GET', path: '/sandboxes/{name}/stat/{path}' },
  },
  fileList: {
    summary: 'List a folder',
    input: file,
    output: z.array(FileEntrySchema),
    http: { method: 'GET', path: '/sandboxes/{name}/list/{path}' },
  },
  dirMake: {
    summary: 'Make a folder and those above it',
    input: file,
    output: z.object({ path: z.string() }),
    http: { method: 'POST', path: '/sandboxes/{name}/mkdir' },
    action: 'Mount',
  },
  fileMove: {
    summary: 'Move a file or folder',
    input: named.extend({ from: path, to: path }),
    output: z.object({ from: z.string(), to: z.string() }),
    http: { method: 'POST', path: '/sandboxes/{name}/move' },
    action: 'Mount',
  },
  fileWatch: {
    summary: 'Follow changes below a path',
    input: file.extend({ recursive: z.boolean().default(false) }),
    output: FileChangeSchema,
    http: { method: 'GET', path: '/sandboxes/{name}/watch', reply: 'events' },
  },
  rawRead: {
    summary: 'Read a file as raw bytes, or a range of it',
    input: file,
    http: { method: 'GET', path: '/sandboxes/{name}/raw/{path}', reply: 'bytes' },
  },
  rawWrite: {
    summary: 'Write a file from raw bytes',
    input: file.extend({ mode }),
    output: z.object({ path: z.string(), written: z.int() }),
    http: { method: 'PUT', path: '/sandboxes/{name}/raw/{path}', bytesIn: true },
    action: 'Mount',
    event: 'file_written',
  },
  tarRead: {
    summary: 'Read a file or folder as a tar stream',
    input: file,
    http: { method: 'GET', path: '/sandboxes/{name}/tar/{path}', reply: 'tar' },
  },
  tarWrite: {
    summary: 'Unpack a tar stream into a folder',
    input: file,
    output: z.object({ files: z.int(), size: z.int() }),
    http: { method: 'PUT', path: '/sandboxes/{name}/tar/{path}', bytesIn: true },
    action: 'Mount',
    event: 'file_written',
  },
} as const satisfies Record<string, Operation>

import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as productSocket from '../../../src/contract/exec-socket.ts'
import type * as productSocketTypes from '../../../src/contract/exec-socket.ts'
import { ERRORS, type ErrorCode as ProductErrorCode } from '../../../src/contract/errors.ts'
import type { GuestEntry, WatchChange } from '../../../src/contract/guest-protocol.ts'
import type * as operations from '../../../src/contract/sandbox-operations.ts'
import type * as product from '../../../src/contract/sandboxes.ts'
import { ERROR_STATUS } from '../src/error-codes.ts'
import * as socket from '../src/exec-socket.ts'
import type * as sdk from '../src/index.ts'
import { VERSION } from '../src/version.ts'

/** What the product promises, without `readonly`, which plain data of the client does not have. */
type Plain<T> = T extends (infer Item)[] | readonly (infer Item)[]
  ? Plain<Item>[]
  : T extends Uint8Array
    ? T
    : T extends object
      ? { -readonly [Key in keyof T]: Plain<T[Key]> }
      : T
/** Whether every answer `From` of the product is an answer `To` of the client, and neither has a member more. */
type Answers<From, To> = [From, keyof To] extends [To, keyof From] ? ([keyof From] extends [keyof To] ? true : false) : false
type Same<A, B> = [A, B] extends [B, A] ? true : false
type Has<Names, All> = [Names] extends [All] ? true : false
type True<T extends true> = T

// Checked by the compiler: `npm run check` fails where the two have grown apart.
export type Checks = [
  True<Answers<Plain<product.SandboxInfo>, sdk.SandboxInfo>>,
  True<Answers<Plain<product.ExecResult>, Omit<sdk.RunOutput, 'signal' | 'image' | 'warnings'>>>,
  True<Answers<Plain<product.SandboxStats>, sdk.SandboxStats>>,
  True<Answers<Plain<product.ReconcileReport>, sdk.ReconcileReport>>,
  True<Answers<Plain<product.LifecycleEvent>, sdk.LifecycleEvent>>,
  True<Answers<Plain<product.DetachedCommand>, sdk.DetachedCommand>>,
  True<Answers<Plain<product.FileContent>, sdk.FileReadResponse>>,
  True<Answers<Plain<product.PatchRequest>, sdk.PatchSandboxRequest>>,
  True<Answers<Plain<GuestEntry>, sdk.FileEntry>>,
  True<Answers<Plain<WatchChange>, sdk.FileChange>>,
  True<Same<product.SandboxState, sdk.SandboxStatus>>,
  True<Same<Plain<product.Lifecycle>, sdk.Lifecycle>>,
  True<Same<product.LifecycleEventName, sdk.LifecycleEventName>>,
  True<Same<Plain<operations.ExecChunk>, sdk.ExecChunk>>,
  True<Same<Plain<operations.ExecEnd>, sdk.ExecEnd>>,
  True<Same<Plain<productSocketTypes.ClientMessage>, Plain<socket.ClientMessage>>>,
  True<Same<Plain<productSocketTypes.ServerMessage>, Plain<socket.ServerMessage>>>,
  True<Same<ProductErrorCode, sdk.ServerErrorCode>>,
  // A session of the client can stand where the product wants one.
  True<Has<sdk.ExecSession, operations.ExecSession>>,
  // Every field of the product's request can be given; the caller's own PATH is the command line's business.
  True<Has<keyof Omit<product.CreateRequest, 'name' | 'caller_path'>, keyof sdk.CreateSandboxOptions>>,
  True<Has<keyof Omit<product.ExecRequest, 'command'>, keyof sdk.ExecOptions>>,
]

describe('the copy of the product in this package', () => {
  test('has its error codes with their statuses', () => {
    expect<Record<string, number>>(ERROR_STATUS).toEqual(Object.fromEntries(Object.entries(ERRORS).map(([code, { http }]) => [code, http])))
  })

  test('has the numbers and names of the exec WebSocket', () => {
    expect({ ...socket }).toEqual({ ...productSocket })
  })

  test('has its version', () => {
    const versionOf = (path: string): string =>
      (JSON.parse(readFileSync(join(import.meta.dir, path), 'utf8')) as { version: string }).version
    const version = versionOf('../../../package.json')
    expect({ package: versionOf('../package.json'), code: VERSION }).toEqual({ package: version, code: version })
  })

  test('has its license', () => {
    const text = (path: string): string => readFileSync(join(import.meta.dir, path), 'utf8')
    expect(text('../LICENSE')).toBe(text('../../../LICENSE'))
  })
})

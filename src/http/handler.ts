import type * as z from 'zod'
import type { HttpOperationName, OPERATIONS } from '../contract/operations.ts'
import type { Reply } from './envelope.ts'
import type { Exchange } from './exchange.ts'

/** Answers one operation. The input has passed its schema and the gates. */
export type Handler<N extends HttpOperationName> = (
  input: z.output<(typeof OPERATIONS)[N]['input']>,
  exchange: Exchange,
  warnings: readonly string[],
) => Promise<Reply>
export type Handlers<N extends HttpOperationName = HttpOperationName> = { readonly [K in N]: Handler<K> }

/** For a change that is carried through although its caller has gone: the next one sees what became of it. */
export function uncancelled(): AbortSignal {
  return new AbortController().signal
}

import { AppError } from '../../contract/errors.ts'
import type { SandboxStore } from './store.ts'

export interface StoreFault {
  /** Which method fails. */
  readonly on: keyof SandboxStore
  /** How many calls of it fail. @default 1 */
  readonly times?: number
  /** How many calls of it succeed before. @default 0 */
  readonly after?: number
  /** What a call that fails throws. @default store_failed */
  readonly error?: AppError
}

/** The store `inner`, except that some calls of one method fail without reaching it: for tests of what a broken store does to us. */
export function failingStore(inner: SandboxStore, { on, times = 1, after = 0, error }: StoreFault): SandboxStore {
  let calls = 0
  return new Proxy(inner, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key)
      if (typeof member !== 'function') return member
      return (...input: readonly unknown[]): unknown => {
        if (key === on && ++calls > after && calls <= after + times) {
          throw error ?? new AppError('store_failed', `the store failed at call ${calls} of ${on}, as it was told to`)
        }
        // The target, because its private fields are unknown to the proxy.
        return Reflect.apply(member, target, input)
      }
    },
  })
}

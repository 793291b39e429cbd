import { dirname } from 'node:path'
import { AppError } from '../../contract/errors.ts'
import type { ProxyHook } from '../../contract/network.ts'
import { makePrivateFolder, readPrivate, replacePrivate } from '../../secrets/private-file.ts'
import type { HookRequest } from '../../contract/proxy-hooks.ts'
import { checkHook } from './check-hook.ts'

const LARGEST_BYTES = 1024 * 1024

/** Hooks that were registered, as a file that only this user can read: the address of a webhook may hold a token. One writer: the daemon. */
export class HookFile {
  readonly #path: string

  /** Its folder is this user's alone, mode 0700, made at the first writing. */
  constructor(path: string) {
    this.#path = path
  }

  /** None where there is no file. Errors: `config_invalid`, those of `readPrivate`. */
  read(): readonly ProxyHook[] {
    const bytes = readPrivate(this.#path, LARGEST_BYTES)
    if (bytes === undefined) return []
    try {
      const hooks = (JSON.parse(Buffer.from(bytes).toString()) as readonly HookRequest[]).map(checkHook)
      return hooks.flatMap((hook) => ('problem' in hook ? [] : [hook]))
    } catch (cause) {
      const fix = 'Move it away, and register the hooks again.'
      throw new AppError('config_invalid', `the file "${this.#path}" is damaged`, { cause, fix })
    }
  }

  write(hooks: readonly ProxyHook[]): void {
    makePrivateFolder(dirname(this.#path))
    replacePrivate(this.#path, Buffer.from(`${JSON.stringify(hooks, undefined, 2)}\n`))
  }
}

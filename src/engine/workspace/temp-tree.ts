import { chmodSync, lstatSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** A folder for one test, removed with everything in it by `using`. For tests only. */
export class TempTree implements Disposable {
  readonly path = realpathSync(mkdtempSync(join(tmpdir(), 'agentkernel-tree-')))

  /** Writes files, with the folders above them; `undefined` makes an empty folder, `-> x` a symlink to `x`. */
  write(files: Readonly<Record<string, string | undefined>>): this {
    for (const [name, content] of Object.entries(files)) {
      const path = this.at(name)
      mkdirSync(content === undefined ? path : dirname(path), { recursive: true })
      if (content?.startsWith('-> ')) symlinkSync(content.slice(3), path)
      else if (content !== undefined) writeFileSync(path, content)
    }
    return this
  }

  /**
   * Returns when the kernel's file times have moved on by more than any step they take, so that a change made now does
   * not look like one made before the call.
   */
  passTimeStep(): void {
    const probe = `${this.path}.probe`
    writeFileSync(probe, '')
    const before = lstatSync(probe).ctimeMs
    for (let mode = 0; lstatSync(probe).ctimeMs <= before + 10; mode ^= 1) chmodSync(probe, 0o600 | mode)
    rmSync(probe)
  }

  at(name: string): string {
    return join(this.path, name)
  }

  [Symbol.dispose](): void {
    chmodSync(this.path, 0o700)
    rmSync(this.path, { recursive: true, force: true })
  }
}

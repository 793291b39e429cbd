import { BROWSER_SETUP_CMD, BrowserSession } from './browser-session.ts'
import { DurableClient } from './client/durable.ts'
import { SandboxSession } from './sandbox-session.ts'
import type { BrowserOptions } from './types/browser.ts'
import type { CreateSandboxOptions } from './types/sandboxes.ts'

/** Most time to install a browser, in ms. */
const SETUP_TIMEOUT_MS = 15 * 60_000

/**
 * A client of an agentkernel server.
 *
 *     const client = new AgentKernel()
 *     const { output } = await client.run(['python3', '-c', 'print(1 + 1)'])
 *
 * Methods reject with an `AgentKernelError`, whose `code` says which. They do not repeat a request by themselves; only `events` opens
 * a lost connection again.
 */
export class AgentKernel extends DurableClient {
  /** Makes a sandbox that is removed when its holder leaves: `await using box = await client.sandbox('name')`. */
  async sandbox(name: string, options?: CreateSandboxOptions): Promise<SandboxSession> {
    await this.createSandbox(name, options)
    return new SandboxSession(name, this)
  }

  /** Makes a sandbox with a browser in it, which takes minutes the first time, and is removed when its holder leaves. */
  async browser(name: string, options: BrowserOptions = {}): Promise<BrowserSession> {
    const { memory_mb = 2048, image = 'python:3.12-slim', signal, timeout } = options
    const request = { ...(signal && { signal }) }
    await this.createSandbox(name, { image, memory_mb, ...request })
    const session = new BrowserSession(name, this)
    try {
      await this.execInSandbox(name, BROWSER_SETUP_CMD, { ...request, timeout: timeout ?? SETUP_TIMEOUT_MS })
    } catch (error) {
      // Nobody holds the sandbox yet. What matters to the caller is why there is no browser.
      await session.remove().catch(() => undefined)
      throw error
    }
    return session
  }
}

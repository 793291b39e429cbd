import type { FilesClient } from './client/files.ts'
import { AgentKernelError, isRecord, StreamError, ValidationError } from './errors.ts'
import { SandboxSession } from './sandbox-session.ts'
import type { RequestOptions } from './transport.ts'
import type { AriaSnapshot, BrowserEvent, ElementTarget, PageResult } from './types/browser.ts'
import { route } from './url.ts'

/** What `client.browser` runs in a new sandbox: Chromium, and Python's Playwright to drive it. */
export const BROWSER_SETUP_CMD: string[] = ['sh', '-c', 'pip install --quiet playwright && playwright install --with-deps chromium']

/** Most time for a page to load and the script to end, in ms. */
const PAGE_TIMEOUT_MS = 90_000

/** Reads a task from its first argument, prints one line of JSON. The sandbox around it is the browser's sandbox. */
const PAGE_SCRIPT = `
import base64, json, sys
from playwright.sync_api import sync_playwright

task = json.loads(sys.argv[1])
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(args=["--no-sandbox"])
    page = browser.new_page()
    page.goto(task["url"], timeout=60000)
    if task["action"] == "goto":
        links = page.eval_on_selector_all(
            "a[href]",
            "all => all.slice(0, 50).map(a => ({text: a.innerText.trim().slice(0, 200), href: a.href}))",
        )
        result = {"title": page.title(), "url": page.url, "text": page.inner_text("body")[:8192], "links": links}
    elif task["action"] == "screenshot":
        result = base64.b64encode(page.screenshot()).decode()
    else:
        result = page.evaluate(task["expression"])
    browser.close()
print(json.dumps({"result": result}))
`

/**
 * A browser in a sandbox, which is removed when its holder leaves. `goto`, `screenshot` and `evaluate` load the page anew each time;
 * `open`, `snapshot`, `click` and `fill` work on named pages that stay.
 */
export class BrowserSession implements AsyncDisposable {
  readonly name: string
  readonly #client: FilesClient
  readonly #sandbox: SandboxSession
  #lastUrl: string | undefined

  /** A session of a sandbox that has the browser. `client.browser` makes one. */
  constructor(name: string, client: FilesClient) {
    this.name = name
    this.#client = client
    this.#sandbox = new SandboxSession(name, client)
  }

  async goto(url: string, options?: RequestOptions): Promise<PageResult> {
    return (await this.#visit({ action: 'goto', url }, options)) as PageResult
  }

  /** A PNG in base64. @param url default: the last one */
  async screenshot(url?: string, options?: RequestOptions): Promise<string> {
    return (await this.#visit({ action: 'screenshot', url: this.#urlOr(url) }, options)) as string
  }

  /** The value of a JavaScript expression in the page. @param url default: the last one */
  async evaluate(expression: string, url?: string, options?: RequestOptions): Promise<unknown> {
    return this.#visit({ action: 'evaluate', url: this.#urlOr(url), expression }, options)
  }

  /** Opens an address in a page, which is made if needed. @param page default: `default` */
  async open(url: string, page = 'default', options?: RequestOptions): Promise<AriaSnapshot> {
    const snapshot = await this.#page<AriaSnapshot>('POST', page, 'goto', { url }, options)
    this.#lastUrl = url
    return snapshot
  }

  async snapshot(page = 'default', options?: RequestOptions): Promise<AriaSnapshot> {
    return this.#page('GET', page, 'snapshot', undefined, options)
  }

  /** The HTML of a page. */
  async content(page = 'default', options?: RequestOptions): Promise<unknown> {
    return this.#page('GET', page, 'content', undefined, options)
  }

  async click(target: ElementTarget, options?: RequestOptions): Promise<AriaSnapshot> {
    const { page = 'default', ...element } = checkTarget(target)
    return this.#page('POST', page, 'click', element, options)
  }

  async fill(value: string, target: ElementTarget, options?: RequestOptions): Promise<AriaSnapshot> {
    const { page = 'default', ...element } = checkTarget(target)
    return this.#page('POST', page, 'fill', { value, ...element }, options)
  }

  async closePage(page = 'default', options?: RequestOptions): Promise<void> {
    await this.#request('DELETE', ['pages', page], undefined, options)
  }

  /** Names of the open pages. */
  async listPages(options?: RequestOptions): Promise<string[]> {
    const answer = await this.#request<{ pages: string[] }>('GET', ['pages'], undefined, options)
    return answer.pages
  }

  /** What was done in the pages, from the event number `offset` on. */
  async events(options: { offset?: number; limit?: number } & RequestOptions = {}): Promise<BrowserEvent[]> {
    const { offset, limit, ...request } = options
    const path = `${route('sandboxes', this.name, 'browser', 'events')}`
    const answer = await this.#client.request<BrowserEvent[] | { events: BrowserEvent[] }>('GET', path, {
      query: { offset, limit },
      ...request,
    })
    return Array.isArray(answer) ? answer : answer.events
  }

  /** Removes the sandbox. Calling it again is safe. */
  remove(): Promise<void> {
    return this.#sandbox.remove()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove()
  }

  async #visit(task: { action: string; url: string; expression?: string }, options: RequestOptions = {}): Promise<unknown> {
    const command = ['python3', '-c', PAGE_SCRIPT, JSON.stringify(task)]
    const { stdout, output } = await this.#sandbox.run(command, { timeout: PAGE_TIMEOUT_MS, ...options })
    this.#lastUrl = task.url
    return resultOf(stdout ?? output)
  }

  #urlOr(url: string | undefined): string {
    const known = url ?? this.#lastUrl
    if (known === undefined) throw new ValidationError('no address was given, and none was opened before')
    return known
  }

  #page<T>(method: 'GET' | 'POST', page: string, verb: string, body: unknown, options: RequestOptions | undefined): Promise<T> {
    return this.#request(method, ['pages', page, verb], body, options)
  }

  async #request<T>(
    method: 'GET' | 'POST' | 'DELETE',
    parts: readonly string[],
    body: unknown,
    options: RequestOptions | undefined,
  ): Promise<T> {
    const answer = await this.#client.request<T>(method, route('sandboxes', this.name, 'browser', ...parts), { body, ...options })
    // The program that drives the browser reports its failures in answers of status 200.
    if (isRecord(answer) && typeof answer['error'] === 'string') throw new AgentKernelError(answer['error'], { status: 200 })
    return answer
  }
}

function checkTarget(target: ElementTarget): ElementTarget {
  if (target.ref === undefined && target.selector === undefined) throw new ValidationError('name the element by `ref` or by `selector`')
  return target
}

/** The last line is ours; programs that Playwright starts may have written before it. */
function resultOf(output: string): unknown {
  const line = output.trimEnd().split('\n').at(-1) ?? ''
  try {
    const answer: unknown = JSON.parse(line)
    if (isRecord(answer) && 'result' in answer) return answer['result']
  } catch (cause) {
    throw new StreamError('the browser answered with something that is not JSON', { cause })
  }
  throw new StreamError('the browser answered without a result')
}

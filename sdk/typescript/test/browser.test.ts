import { describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { AgentKernel, BrowserSession } from '../src/index.ts'
import { data, FixtureServer } from './fixture-server.ts'

describe('a browser', () => {
  const page = { snapshot: '- link "a" [ref=e1]', url: 'http://a', title: 'A', refs: ['e1'] }
  const reply = ({ path }: { path: string }): Response => {
    if (path.endsWith('/pages')) return Response.json({ pages: ['default', 'other'] })
    if (path.endsWith('/events')) return Response.json([{ seq: 1, type: 'page.clicked', page: 'default', ts: 'now' }])
    if (path.endsWith('/fill')) return Response.json({ error: 'no element e9' })
    if (path.includes('/browser/')) return Response.json(page)
    const line = JSON.stringify({ result: path.endsWith('/exec') ? { title: 'A', url: 'http://a/', text: 'hi', links: [] } : null })
    return Response.json({ success: true, data: { name: 'web', output: `noise\n${line}\n`, stdout: `noise\n${line}\n` } })
  }

  test('is made with what it needs, visits pages in the sandbox, and is removed', async () => {
    using server = new FixtureServer(reply)
    {
      await using browser = await new AgentKernel({ baseUrl: server.url }).browser('web', { memory_mb: 1024 })
      expect(JSON.parse(server.seen[0]!.body)).toEqual({ name: 'web', image: 'python:3.12-slim', memory_mb: 1024 })
      expect(server.last.body).toContain('playwright install')
      await expect(browser.screenshot()).rejects.toMatchObject({ code: 'invalid_argument' })
      expect(await browser.goto('http://a')).toEqual({ title: 'A', url: 'http://a/', text: 'hi', links: [] })
      await browser.evaluate('1 + 1')
      const { command } = JSON.parse(server.last.body) as { command: string[] }
      expect(command.slice(0, 2)).toEqual(['python3', '-c'])
      expect(JSON.parse(command[3]!)).toEqual({ action: 'evaluate', url: 'http://a', expression: '1 + 1' })
    }
    expect(server.last).toMatchObject({ method: 'DELETE', path: '/sandboxes/web' })
  })

  test('drives named pages over its routes', async () => {
    using server = new FixtureServer(reply)
    const browser = new BrowserSession('web', new AgentKernel({ baseUrl: server.url }))
    expect(await browser.open('http://a')).toEqual(page)
    expect(await browser.snapshot('other')).toEqual(page)
    await browser.click({ ref: 'e1' })
    expect(server.last).toMatchObject({ path: '/sandboxes/web/browser/pages/default/click', body: '{"ref":"e1"}' })
    await expect(browser.click({})).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(browser.fill('text', { selector: '#q', page: 'other' })).rejects.toThrow('no element e9')
    expect(server.last).toMatchObject({ path: '/sandboxes/web/browser/pages/other/fill', body: '{"value":"text","selector":"#q"}' })
    expect(await browser.listPages()).toEqual(['default', 'other'])
    await browser.content()
    expect((await browser.events({ offset: 3 }))[0]!.seq).toBe(1)
    expect(server.last.query.get('offset')).toBe('3')
    await browser.closePage('other')
    expect(server.last).toMatchObject({ method: 'DELETE', path: '/sandboxes/web/browser/pages/other' })
  })

  test('that could not be set up leaves no sandbox', async () => {
    using server = new FixtureServer(({ path, method }) => {
      if (path.endsWith('/exec')) return Response.json({ success: false, error: 'exit code 1', exit_code: 1, output: '' }, { status: 409 })
      return Response.json({ success: true, data: method === 'DELETE' ? 'Sandbox removed' : { name: 'web' } })
    })
    await expect(new AgentKernel({ baseUrl: server.url }).browser('web')).rejects.toMatchObject({ exitCode: 1 })
    expect(server.last).toMatchObject({ method: 'DELETE', path: '/sandboxes/web' })
  })
})

const PYTHON = spawnSync('python3', ['--version']).status === 0

describe.skipIf(!PYTHON)('the program that visits a page (needs python3)', () => {
  /** A sandbox that runs what it is given here, with a Playwright that knows one page. */
  const here = (): FixtureServer =>
    new FixtureServer(({ body }) => {
      const { command } = JSON.parse(body) as { command: string[] }
      const env = { ...process.env, PYTHONPATH: join(import.meta.dir, 'playwright-stand-in'), PYTHONDONTWRITEBYTECODE: '1' }
      const { stdout, stderr } = spawnSync(command[0]!, command.slice(1), { env, encoding: 'utf8' })
      return data({ output: stdout + stderr, stdout })
    })

  test('says what is on it, takes its picture and asks its scripts', async () => {
    using server = here()
    const browser = new BrowserSession('web', new AgentKernel({ baseUrl: server.url }))
    expect(await browser.goto('http://a/?q="é"')).toEqual({
      title: 'A title',
      url: 'http://a/?q="é"#seen',
      text: 'x'.repeat(8192),
      links: [{ text: 'link', href: 'http://b/' }],
    })
    expect(Buffer.from(await browser.screenshot(), 'base64').toString()).toBe('PNG of http://a/?q="é"')
    expect(await browser.evaluate('document.title')).toEqual({ evaluated: 'document.title' })
  })

  test('that breaks is an error', async () => {
    using server = here()
    const browser = new BrowserSession('web', new AgentKernel({ baseUrl: server.url }))
    await expect(browser.goto('http://broken')).rejects.toMatchObject({ name: 'StreamError' })
  })
})

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { labProblem, type NetworkLab, startLab } from '../support/lab/network-lab.ts'
import { LabUser } from './lab-user.ts'

const problem = labProblem()
const PORT = 8445
const URL = `https://db.lab.test:${PORT}/v1/chat/completions`

/** A model that speaks OpenAI's format, plain and streamed, on the far side. */
const MODEL = `
const folder = process.argv[1] ?? ''
const file = (name) => Bun.file(folder + '/' + name)
const usage = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120, prompt_tokens_details: { cached_tokens: 40 } }
Bun.serve({
  port: ${PORT}, hostname: '0.0.0.0', tls: { cert: file('cert.pem'), key: file('key.pem') },
  fetch: async (request) => {
    const { stream, model } = await request.json()
    if (!stream) return Response.json({ model, choices: [{ message: { content: 'hi' } }], usage })
    const events = ['he', 'llo'].map((content) => ({ model, choices: [{ delta: { content } }] })).concat([{ model, choices: [], usage }])
    const text = events.map((event) => 'data: ' + JSON.stringify(event) + '\\n\\n').join('') + 'data: [DONE]\\n\\n'
    return new Response(text, { headers: { 'content-type': 'text/event-stream' } })
  },
})
console.log('ready')
`

interface Entry {
  readonly model: string
  readonly request_count: number
  readonly streaming_count: number
  readonly total_input_tokens: number
  readonly total_output_tokens: number
  readonly total_cached_tokens: number
}

describe.skipIf(problem !== undefined)(
  `language models through the gateway${problem === undefined ? '' : ` (skipped: ${problem})`}`,
  () => {
    let lab: NetworkLab
    let user: LabUser
    let model: ReturnType<typeof Bun.spawn>
    beforeAll(async () => {
      lab = await startLab()
      user = new LabUser(lab)
      const child = Bun.spawn([...lab.far, process.execPath, '-e', MODEL, lab.folder], { stdout: 'pipe', stderr: 'inherit' })
      await child.stdout.getReader().read()
      model = child
      const config = join(user.home, '.config/agentkernel')
      mkdirSync(config, { recursive: true })
      writeFileSync(join(config, 'config.toml'), '[llm]\nmeter = true\nhosts = { "db.lab.test" = "openai" }\n')
    })
    afterAll(async () => {
      model.kill()
      await user.dispose()
      await lab.close()
    })

    const ask = (stream: boolean): string[] => [
      'curl',
      '-sS',
      '-m',
      '8',
      '-w',
      ' %{http_code}',
      '-H',
      'Content-Type: application/json',
      '-d',
      JSON.stringify({ model: 'gpt-4o', stream, messages: [{ role: 'user', content: 'x'.repeat(20_000) }] }),
      URL,
    ]
    const usageOf = async (sandbox: string): Promise<Entry | undefined> => {
      const usage = (await user.json(['llm', 'usage', sandbox])) as Readonly<Record<string, readonly Entry[]>>
      return usage[sandbox]?.[0]
    }

    test('plain and streamed replies are counted for their sandbox', async () => {
      await user.out(['sandbox', 'create', 'agent', '--allow', `db.lab.test:${PORT}`])
      expect(await user.out(['exec', 'agent', '--', ...ask(false)])).toEndWith(' 200')
      expect(await user.out(['exec', 'agent', '--', ...ask(true)])).toContain('[DONE]')
      let entry = await usageOf('agent')
      for (let tries = 0; tries < 40 && entry?.request_count !== 2; tries++) {
        await Bun.sleep(50)
        entry = await usageOf('agent')
      }
      expect(entry).toMatchObject({
        model: 'gpt-4o',
        request_count: 2,
        streaming_count: 1,
        total_input_tokens: 200,
        total_output_tokens: 40,
        total_cached_tokens: 80,
      })
    })

    test('a budget that is used up stops the next request, with a reason that a model can read', async () => {
      await user.out(['llm', 'budget', 'set', 'agent', '--max-requests', '3'])
      expect(await user.out(['exec', 'agent', '--', ...ask(false)])).toEndWith(' 200')
      let refused = ''
      for (let tries = 0; tries < 40 && !refused.includes('budget'); tries++) {
        refused = await user.out(['exec', 'agent', '--', ...ask(false)])
        await Bun.sleep(50)
      }
      expect(refused).toMatch(/budget of 3 requests is used up.* 4\d\d$/s)
    })

    test('a run is counted too', async () => {
      const { code, stdout } = await user.ak(['run', '--allow', `db.lab.test:${PORT}`, ...ask(false)])
      expect([code, stdout]).toEqual([0, expect.stringMatching(/ 200$/)])
      const all = (await user.json(['llm', 'usage'])) as object
      expect(JSON.stringify(all).match(/gpt-4o/g)?.length).toBeGreaterThan(1)
    })
  },
)

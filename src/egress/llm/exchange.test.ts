import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { ExchangeReader, type Reading } from './exchange.ts'
import { SAMPLES, type Sample } from '../../../test/support/llm-samples.ts'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

interface How {
  readonly reply?: Uint8Array
  readonly places?: readonly number[]
  readonly encoding?: string
  readonly status?: number
}

async function read(sample: Sample, how: How = {}): Promise<Reading> {
  const { reply = bytesOf(sample.reply), places = [], encoding, status = 200 } = how
  const reader = new ExchangeReader({ method: 'POST', target: sample.path, headers: [['Content-Type', 'application/json']] })
  for (const piece of cut(bytesOf(sample.request), places)) reader.requestBody(piece)
  const encodings = encoding === undefined ? [] : [['Content-Encoding', encoding] as const]
  reader.response({ status, headers: [['Content-Type', sample.type] as const, ...encodings] })
  for (const piece of cut(reply, places)) reader.responseBody(piece)
  return reader.end()
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((left, right) => left - right)
  return at.slice(1).map((end, index) => bytes.slice(at[index], end))
}

describe('usage is read of a reply of', () => {
  for (const sample of SAMPLES) {
    test(sample.name, async () => {
      const { model, streaming, usage, estimated } = await read(sample)
      const { input, output, cached, total } = usage
      expect({ model, streaming, input, output, cached, total }).toMatchObject({ ...sample.expected })
      expect(estimated).toBe(false)
    })
  }

  test('any of them, however it is cut and whatever ends its lines', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SAMPLES),
        fc.array(fc.nat(), { maxLength: 20 }),
        fc.constantFrom('\n', '\r\n', '\r'),
        async (sample, places, line) => {
          const reply = bytesOf(sample.reply.replaceAll('\n', line))
          expect(await read(sample, { reply, places })).toEqual(await read(sample))
        },
      ),
      { numRuns: 400 },
    )
  })

  test('any of them, packed in each way', async () => {
    const packers: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
      gzip: gzipSync,
      'x-gzip': gzipSync,
      deflate: deflateSync,
      br: brotliCompressSync,
      zstd: zstdCompressSync,
      identity: (bytes) => bytes,
    }
    for (const sample of SAMPLES) {
      for (const [encoding, pack] of Object.entries(packers)) {
        const reading = await read(sample, { reply: pack(bytesOf(sample.reply)), encoding, places: [1, 7, 50, 51] })
        expect([sample.name, encoding, reading.usage]).toEqual([sample.name, encoding, (await read(sample)).usage])
      }
    }
  })

  test('any of them, cut off anywhere: never more than there was, and never an error', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SAMPLES),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.boolean(),
        async (sample, part, packed) => {
          const whole = packed ? gzipSync(bytesOf(sample.reply)) : bytesOf(sample.reply)
          const reply = whole.slice(0, Math.floor(whole.length * part))
          const reading = await read(sample, { reply, ...(packed ? { encoding: 'gzip' } : {}) })
          if (!reading.estimated) expect(reading.usage.output ?? 0).toBeLessThanOrEqual(sample.expected.output ?? 0)
        },
      ),
      { numRuns: 300 },
    )
  })
})

const sample = (name: string): Sample => SAMPLES.find((each) => each.name === name)!

describe('a reading', () => {
  test('guesses what a stream without usage used, so that it is not free', async () => {
    const chunk = `data: {"model":"gpt-4o","choices":[{"delta":{"content":"a"}}]}\n\n`
    const reading = await read(sample('OpenAI chat, streamed'), { reply: bytesOf(chunk.repeat(40)) })
    expect(reading.estimated).toBe(true)
    expect(reading.usage.output).toBe(40)
    expect(reading.usage.input).toBeGreaterThan(5)
  })

  test('keeps the input of a stream of Anthropic that broke off, and guesses its output', async () => {
    const whole = sample('Anthropic, streamed').reply
    const reading = await read(sample('Anthropic, streamed'), { reply: bytesOf(whole.slice(0, whole.indexOf('event: message_delta'))) })
    expect(reading.usage.input).toBe(sample('Anthropic, streamed').expected.input!)
    expect(reading.estimated).toBe(true)
  })

  test('counts no tokens for what was refused, and none for what is no call of a model', async () => {
    const refused = await read(sample('OpenAI chat'), { reply: bytesOf('{"error":{"message":"no"}}'), status: 429 })
    expect([refused.status, refused.usage.total, refused.estimated]).toEqual([429, undefined, false])
    const upload = await read({ ...sample('OpenAI chat'), request: '{"purpose":"x"}', path: '/v1/files', reply: '{"id":"f"}' })
    expect([upload.model, upload.usage.total, upload.estimated]).toEqual([undefined, undefined, false])
  })

  test('ignores usage that the model itself wrote, as text or as arguments of a tool', async () => {
    const reply = `{"model":"gpt-4o","choices":[{"message":{"content":"{\\"usage\\":{\\"prompt_tokens\\":0}}","usage":{"prompt_tokens":0}}}],"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}`
    expect((await read(sample('OpenAI chat'), { reply: bytesOf(reply) })).usage).toMatchObject({ input: 9, output: 1, total: 10 })
  })

  test('finds the model behind a prompt of many megabytes', async () => {
    const reader = new ExchangeReader({ method: 'POST', target: '/v1/chat/completions', headers: [] })
    reader.requestBody(bytesOf('{"messages":[{"role":"user","content":"'))
    const piece = bytesOf('lorem ipsum \\n'.repeat(10_000))
    for (let at = 0; at < 300; at++) reader.requestBody(piece)
    reader.requestBody(bytesOf('"}],"model":"gpt-4o","stream":true}'))
    const reading = await reader.end()
    expect([reading.model, reading.streaming]).toEqual(['gpt-4o', true])
    expect(reading.bytesOut).toBeGreaterThan(30_000_000)
  })

  test('gives up on a bomb, and on bytes that are not packed as they say', async () => {
    const bomb = zstdCompressSync(Buffer.alloc(400 * 1024 ** 2, ' '))
    const before = process.memoryUsage().rss
    const reading = await read(sample('OpenAI chat'), { reply: bomb, encoding: 'zstd', places: [100, 1000, 5000, 10_000] })
    expect(reading.estimated).toBe(true)
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * 1024 ** 2)
    for (const encoding of ['gzip', 'br', 'zstd', 'deflate', 'gzip, br', 'made-up', '__proto__']) {
      expect((await read(sample('OpenAI chat'), { encoding })).estimated).toBe(true)
    }
  })

  test('reads a packed request, and does not unpack a bomb of one', async () => {
    const ask = async (body: Uint8Array): Promise<Reading> => {
      const reader = new ExchangeReader({ method: 'POST', target: '/v1/responses', headers: [['content-encoding', 'zstd']] })
      reader.requestBody(body)
      return reader.end()
    }
    expect((await ask(zstdCompressSync('{"stream":true,"model":"gpt-5"}'))).model).toBe('gpt-5')
    const started = performance.now()
    const bomb = zstdCompressSync(Buffer.from(`{"x":"${' '.repeat(128 * 1024 ** 2)}","model":"gpt-5"}`))
    const packedMs = performance.now() - started
    expect((await ask(bomb)).model).toBeUndefined()
    expect(performance.now() - started - packedMs).toBeLessThan(packedMs + 200)
  })

  test('shows names of models without what a terminal would obey', async () => {
    const reply = `{"model":"a\\u001b[31m\\u202eb ${'x'.repeat(400)}"}`
    expect((await read({ ...sample('OpenAI chat'), request: '{}' }, { reply: bytesOf(reply) })).model).toMatch(/^a\[31mbx{0,128}$/)
  })
})

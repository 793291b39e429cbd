/** Replies written by hand after the public API references of the providers: their members and order, invented content. For tests. */
export interface Sample {
  readonly name: string
  readonly path: string
  readonly request: string
  readonly type: string
  readonly reply: string
  readonly expected: {
    readonly model: string
    readonly streaming: boolean
    readonly input?: number
    readonly output?: number
    readonly cached?: number
    readonly total?: number
  }
}

const JSON_TYPE = 'application/json; charset=utf-8'
const SSE_TYPE = 'text/event-stream; charset=utf-8'
const events = (list: readonly unknown[]): string =>
  list.map((data) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`).join('')
const named = (list: readonly { readonly type: string }[]): string =>
  list.map((data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`).join('')
const chat = (model: string, stream = false): string =>
  JSON.stringify({ messages: [{ role: 'user', content: 'Say "hi" \\ and {stop]' }], model, ...(stream ? { stream } : {}) })
const chunk = (model: string, delta: object, more: object = {}): object => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1,
  model,
  choices: [{ index: 0, delta, finish_reason: null }],
  ...more,
})

const OPENAI: readonly Sample[] = [
  {
    name: 'OpenAI chat',
    path: '/v1/chat/completions',
    request: chat('gpt-4o'),
    type: JSON_TYPE,
    reply: JSON.stringify(
      {
        id: 'chatcmpl-1',
        object: 'chat.completion',
        model: 'gpt-4o-2024-08-06',
        choices: [{ index: 0, message: { role: 'assistant', content: 'hi', refusal: null }, finish_reason: 'stop' }],
        usage: {
          prompt_tokens: 19,
          completion_tokens: 10,
          total_tokens: 29,
          prompt_tokens_details: { cached_tokens: 8, audio_tokens: 0 },
          completion_tokens_details: { reasoning_tokens: 4 },
        },
      },
      undefined,
      2,
    ),
    expected: { model: 'gpt-4o', streaming: false, input: 19, output: 10, cached: 8, total: 29 },
  },
  {
    name: 'OpenAI chat, streamed',
    path: '/v1/chat/completions',
    request: chat('gpt-4o', true),
    type: SSE_TYPE,
    reply: events([
      chunk('gpt-4o-2024-08-06', { role: 'assistant', content: '' }, { usage: null }),
      chunk('gpt-4o-2024-08-06', { content: 'hi' }, { usage: null }),
      {
        ...chunk('gpt-4o-2024-08-06', {}),
        choices: [],
        usage: { prompt_tokens: 19, completion_tokens: 2, total_tokens: 21, prompt_tokens_details: { cached_tokens: 0 } },
      },
      '[DONE]',
    ]),
    expected: { model: 'gpt-4o', streaming: true, input: 19, output: 2, cached: 0, total: 21 },
  },
  {
    name: 'OpenAI responses',
    path: '/v1/responses',
    request: JSON.stringify({ model: 'gpt-5', input: 'hi' }),
    type: JSON_TYPE,
    reply: JSON.stringify({
      id: 'resp_1',
      object: 'response',
      model: 'gpt-5-2025-08-07',
      output: [{ type: 'message', content: [{ type: 'output_text', text: 'hi' }] }],
      usage: {
        input_tokens: 36,
        input_tokens_details: { cached_tokens: 16 },
        output_tokens: 87,
        output_tokens_details: {},
        total_tokens: 123,
      },
    }),
    expected: { model: 'gpt-5', streaming: false, input: 36, output: 87, cached: 16, total: 123 },
  },
  {
    name: 'OpenAI responses, streamed',
    path: '/v1/responses',
    request: JSON.stringify({ stream: true, model: 'gpt-5', input: 'hi' }),
    type: SSE_TYPE,
    reply: named([
      { type: 'response.created', response: { id: 'resp_1', model: 'gpt-5-2025-08-07', usage: null } } as { type: string },
      { type: 'response.output_text.delta', delta: 'hi' } as { type: string },
      {
        type: 'response.completed',
        response: {
          model: 'gpt-5-2025-08-07',
          output: [],
          usage: { input_tokens: 37, input_tokens_details: { cached_tokens: 0 }, output_tokens: 11, total_tokens: 48 },
        },
      } as { type: string },
    ]),
    expected: { model: 'gpt-5', streaming: true, input: 37, output: 11, cached: 0, total: 48 },
  },
  {
    name: 'OpenAI embeddings',
    path: '/v1/embeddings',
    request: JSON.stringify({ input: 'x', model: 'text-embedding-3-small' }),
    type: JSON_TYPE,
    reply: JSON.stringify({
      object: 'list',
      data: [{ object: 'embedding', index: 0, embedding: Array.from({ length: 1536 }, (_, at) => at / 1e5) }],
      model: 'text-embedding-3-small',
      usage: { prompt_tokens: 8, total_tokens: 8 },
    }),
    expected: { model: 'text-embedding-3-small', streaming: false, input: 8, total: 8 },
  },
]

const ANTHROPIC: readonly Sample[] = [
  {
    name: 'Anthropic',
    path: '/v1/messages',
    request: chat('claude-sonnet-4-5'),
    type: JSON_TYPE,
    reply: JSON.stringify({
      id: 'msg_1',
      type: 'message',
      model: 'claude-sonnet-4-5-20250929',
      content: [{ type: 'tool_use', name: 'x', input: { usage: { input_tokens: 1 } } }],
      usage: {
        input_tokens: 100,
        cache_creation_input_tokens: 50,
        cache_read_input_tokens: 2000,
        output_tokens: 25,
        service_tier: 'standard',
      },
    }),
    expected: { model: 'claude-sonnet-4-5', streaming: false, input: 2150, output: 25, cached: 2000, total: 2175 },
  },
  {
    name: 'Anthropic, streamed',
    path: '/v1/messages?beta=true',
    request: chat('claude-sonnet-4-5', true),
    type: SSE_TYPE,
    reply: named([
      {
        type: 'message_start',
        message: {
          model: 'claude-sonnet-4-5-20250929',
          usage: { input_tokens: 25, cache_creation_input_tokens: 0, cache_read_input_tokens: 10, output_tokens: 1 },
        },
      } as { type: string },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } } as { type: string },
      { type: 'ping' },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'hi' } } as { type: string },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 15 } } as { type: string },
      { type: 'message_stop' },
    ]),
    expected: { model: 'claude-sonnet-4-5', streaming: true, input: 35, output: 15, cached: 10, total: 50 },
  },
]

const googleUsage = {
  promptTokenCount: 7,
  candidatesTokenCount: 20,
  thoughtsTokenCount: 5,
  cachedContentTokenCount: 2,
  totalTokenCount: 32,
}
const GOOGLE: readonly Sample[] = [
  {
    name: 'Google',
    path: '/v1beta/models/gemini-2.5-flash:generateContent?key=SECRET',
    request: '{"contents":[{"parts":[{"text":"hi"}]}]}',
    type: JSON_TYPE,
    reply: JSON.stringify(
      { candidates: [{ content: { parts: [{ text: 'hi' }] } }], usageMetadata: googleUsage, modelVersion: 'gemini-2.5-flash' },
      undefined,
      2,
    ),
    expected: { model: 'gemini-2.5-flash', streaming: false, input: 7, output: 25, cached: 2, total: 32 },
  },
  {
    name: 'Google, streamed as events',
    path: '/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
    request: '{"contents":[{"parts":[{"text":"hi"}]}]}',
    type: 'text/event-stream',
    reply: events([
      {
        candidates: [{}],
        usageMetadata: { promptTokenCount: 7, totalTokenCount: 12, thoughtsTokenCount: 5 },
        modelVersion: 'gemini-2.5-flash',
      },
      { candidates: [{}], usageMetadata: googleUsage, modelVersion: 'gemini-2.5-flash' },
    ]),
    expected: { model: 'gemini-2.5-flash', streaming: true, input: 7, output: 25, cached: 2, total: 32 },
  },
  {
    name: 'Google, streamed as an array',
    path: '/v1beta/models/gemini-2.5-flash:streamGenerateContent',
    request: '{"contents":[{"parts":[{"text":"hi"}]}]}',
    type: JSON_TYPE,
    reply: JSON.stringify(
      [
        { candidates: [{}], usageMetadata: { promptTokenCount: 7, totalTokenCount: 7 } },
        { candidates: [{}], usageMetadata: googleUsage },
      ],
      undefined,
      1,
    ),
    expected: { model: 'gemini-2.5-flash', streaming: true, input: 7, output: 25, cached: 2, total: 32 },
  },
]

const COHERE: readonly Sample[] = [
  {
    name: 'Cohere v1 chat',
    path: '/v1/chat',
    request: JSON.stringify({ message: 'hi', model: 'command-r' }),
    type: JSON_TYPE,
    reply: JSON.stringify({
      text: 'hi',
      meta: {
        api_version: { version: '1' },
        billed_units: { input_tokens: 5, output_tokens: 418 },
        tokens: { input_tokens: 71, output_tokens: 418 },
      },
    }),
    expected: { model: 'command-r', streaming: false, input: 71, output: 418, total: 489 },
  },
  {
    name: 'Cohere v1 chat, streamed as lines',
    path: '/v1/chat',
    request: JSON.stringify({ message: 'hi', stream: true, model: 'command-r' }),
    type: 'application/stream+json',
    reply: [
      { is_finished: false, event_type: 'stream-start', generation_id: 'g' },
      { is_finished: false, event_type: 'text-generation', text: 'hi' },
      {
        is_finished: true,
        event_type: 'stream-end',
        response: {
          text: 'hi',
          meta: { billed_units: { input_tokens: 5, output_tokens: 2 }, tokens: { input_tokens: 69, output_tokens: 2 } },
        },
      },
    ]
      .map((line) => `${JSON.stringify(line)}\n`)
      .join(''),
    expected: { model: 'command-r', streaming: true, input: 69, output: 2, total: 71 },
  },
  {
    name: 'Cohere v2 chat',
    path: '/v2/chat',
    request: chat('command-a-03-2025'),
    type: JSON_TYPE,
    reply: JSON.stringify({
      id: 'c',
      message: { role: 'assistant', content: [{ type: 'text', text: 'hi' }] },
      usage: { billed_units: { input_tokens: 5, output_tokens: 418 }, tokens: { input_tokens: 71, output_tokens: 418 } },
    }),
    expected: { model: 'command-a-03-2025', streaming: false, input: 71, output: 418, total: 489 },
  },
  {
    name: 'Cohere v2 chat, streamed',
    path: '/v2/chat',
    request: chat('command-a-03-2025', true),
    type: SSE_TYPE,
    reply: named([
      { type: 'message-start', delta: { message: { role: 'assistant' } } } as { type: string },
      { type: 'content-delta', delta: { message: { content: { text: 'hi' } } } } as { type: string },
      {
        type: 'message-end',
        delta: {
          finish_reason: 'COMPLETE',
          usage: { billed_units: { input_tokens: 3, output_tokens: 6 }, tokens: { input_tokens: 70, output_tokens: 8 } },
        },
      } as { type: string },
    ]),
    expected: { model: 'command-a-03-2025', streaming: true, input: 70, output: 8, total: 78 },
  },
]

interface OpenAiUsage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
  readonly cost?: number
}

/** Those who speak OpenAI's format, with what they add to it. */
const OTHERS: readonly Sample[] = [
  ...both('Mistral', 'mistral-large-latest', { prompt_tokens: 16, completion_tokens: 34, total_tokens: 50 }),
  ...both('Together', 'meta-llama/Llama-3.3-70B-Instruct-Turbo', { prompt_tokens: 5, completion_tokens: 6, total_tokens: 11 }),
  ...both('Fireworks', 'accounts/fireworks/models/x', { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 }),
  ...both('OpenRouter', 'openai/gpt-4o', { prompt_tokens: 194, completion_tokens: 2, total_tokens: 196, cost: 0.95 }),
]

/** A plain reply and a stream with the same usage. */
function both(name: string, model: string, usage: OpenAiUsage): readonly Sample[] {
  const { prompt_tokens: input, completion_tokens: output, total_tokens: total } = usage
  const common = { path: '/v1/chat/completions', expected: { model, streaming: false, input, output, total } }
  return [
    { ...common, name, request: chat(model), type: JSON_TYPE, reply: JSON.stringify({ id: 'x', model, choices: [], usage }) },
    {
      ...common,
      name: `${name}, streamed`,
      request: chat(model, true),
      type: SSE_TYPE,
      reply: `: comment\n\n${events([chunk(model, { content: 'a' }), { ...chunk(model, {}), usage }, '[DONE]'])}`,
      expected: { ...common.expected, streaming: true },
    },
  ]
}

const SPECIAL: readonly Sample[] = [
  {
    name: 'DeepSeek',
    path: '/chat/completions',
    request: chat('deepseek-chat'),
    type: JSON_TYPE,
    reply: JSON.stringify({
      model: 'deepseek-chat',
      choices: [],
      usage: { prompt_tokens: 16, completion_tokens: 10, total_tokens: 26, prompt_cache_hit_tokens: 12, prompt_cache_miss_tokens: 4 },
    }),
    expected: { model: 'deepseek-chat', streaming: false, input: 16, output: 10, cached: 12, total: 26 },
  },
  {
    name: 'Groq, streamed',
    path: '/openai/v1/chat/completions',
    request: chat('llama-3.3-70b-versatile', true),
    type: SSE_TYPE,
    reply: events([
      chunk('llama-3.3-70b-versatile', { content: 'a' }, { x_groq: { id: 'req_1' } }),
      chunk(
        'llama-3.3-70b-versatile',
        {},
        { x_groq: { id: 'req_1', usage: { prompt_tokens: 24, completion_tokens: 5, total_tokens: 29 } } },
      ),
      '[DONE]',
    ]),
    expected: { model: 'llama-3.3-70b-versatile', streaming: true, input: 24, output: 5, total: 29 },
  },
]

export const SAMPLES: readonly Sample[] = [...OPENAI, ...ANTHROPIC, ...GOOGLE, ...COHERE, ...OTHERS, ...SPECIAL]

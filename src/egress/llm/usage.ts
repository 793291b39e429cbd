import { type Found, type Scalar, wanted } from './json-scan.ts'

/** What a reply says about itself, and what its request asked for. Absent: not known. */
export interface Usage {
  readonly model?: string
  /** All of the input, also what came from a cache or went into one. */
  readonly input?: number
  readonly output?: number
  readonly cached?: number
  /** Part of the input that was written into the provider's cache, which Anthropic bills higher. */
  readonly cacheWrite?: number
  readonly total?: number
  /** Dollars, as OpenRouter says them. */
  readonly cost?: number
  /** True: the reply said its usage to the end. */
  readonly complete: boolean
}

/** A reply that claims more tokens than this is lying; sums of such numbers must stay exact. */
const MOST_TOKENS = 1e10
/** Longest name of a model that is kept; names are short, and this one is written by whoever answers or asks. */
const MODEL_CHARACTERS = 128

/**
 * Members of replies, from the public references of the providers. One table for all: which host answers does not say how, because many speak
 * each other's formats, and no place here means two things.
 */
export const REPLY_MEMBERS = wanted({
  model: 'model',
  // OpenAI chat, embeddings, and those who speak it
  'usage.prompt_tokens': 'input',
  'usage.completion_tokens': 'output',
  'usage.total_tokens': 'total',
  'usage.prompt_tokens_details.cached_tokens': 'cached',
  'usage.prompt_cache_hit_tokens': 'cached', // DeepSeek
  'usage.cached_tokens': 'cached', // Cohere v2
  'usage.cost': 'cost', // OpenRouter
  'x_groq.usage.prompt_tokens': 'input',
  'x_groq.usage.completion_tokens': 'output',
  'x_groq.usage.total_tokens': 'total',
  // OpenAI responses, plain and as the last event of a stream; Anthropic's plain replies and `message_delta`
  'usage.input_tokens': 'input',
  'usage.output_tokens': 'output',
  'usage.input_tokens_details.cached_tokens': 'cached',
  'response.model': 'model',
  'response.usage.input_tokens': 'input',
  'response.usage.output_tokens': 'output',
  'response.usage.total_tokens': 'total',
  'response.usage.input_tokens_details.cached_tokens': 'cached',
  // Anthropic
  'usage.cache_read_input_tokens': 'cacheRead',
  'usage.cache_creation_input_tokens': 'cacheWrite',
  'message.model': 'model',
  'message.usage.input_tokens': 'input',
  'message.usage.output_tokens': 'begun',
  'message.usage.cache_read_input_tokens': 'cacheRead',
  'message.usage.cache_creation_input_tokens': 'cacheWrite',
  // Google; the counts of a stream's chunks are those so far
  modelVersion: 'model',
  'usageMetadata.promptTokenCount': 'input',
  'usageMetadata.toolUsePromptTokenCount': 'toolInput',
  'usageMetadata.candidatesTokenCount': 'output',
  'usageMetadata.thoughtsTokenCount': 'thoughts',
  'usageMetadata.cachedContentTokenCount': 'cached',
  'usageMetadata.totalTokenCount': 'total',
  // Cohere: v1 plain, v1 stream-end, v2 plain, v2 message-end; `billed` counts where nothing else does
  'meta.tokens.input_tokens': 'input',
  'meta.tokens.output_tokens': 'output',
  'meta.billed_units.input_tokens': 'billedInput',
  'meta.billed_units.output_tokens': 'billedOutput',
  'response.meta.tokens.input_tokens': 'input',
  'response.meta.tokens.output_tokens': 'output',
  'response.meta.billed_units.input_tokens': 'billedInput',
  'response.meta.billed_units.output_tokens': 'billedOutput',
  'usage.tokens.input_tokens': 'input',
  'usage.tokens.output_tokens': 'output',
  'usage.billed_units.input_tokens': 'billedInput',
  'usage.billed_units.output_tokens': 'billedOutput',
  'delta.usage.tokens.input_tokens': 'input',
  'delta.usage.tokens.output_tokens': 'output',
  'delta.usage.cached_tokens': 'cached',
  'delta.usage.billed_units.input_tokens': 'billedInput',
  'delta.usage.billed_units.output_tokens': 'billedOutput',
})
export const REQUEST_MEMBERS = wanted({ model: 'model', stream: 'stream' })

/** Takes what a scan finds; later values of a member replace earlier ones, as in streams whose counts grow. */
export class UsageSum {
  readonly #counts = new Map<string, number>()
  #model: string | undefined

  readonly found: Found = (name, value) => {
    if (name === 'model') this.#model = modelName(value) ?? this.#model
    else if (typeof value === 'number' && value >= 0 && value <= MOST_TOKENS) {
      this.#counts.set(name, name === 'cost' ? value : Math.floor(value))
    }
  }

  usage(): Usage {
    const count = (name: string): number | undefined => this.#counts.get(name)
    const written = count('cacheWrite')
    const read = count('cacheRead')
    // Anthropic counts what its cache read and wrote beside the input, all others count it as part of it.
    const input = sum(count('input') ?? count('billedInput'), count('toolInput'), written, read)
    const begun = count('begun')
    const output = sum(count('output') ?? count('billedOutput') ?? begun, count('thoughts'))
    const total = count('total') ?? (input === undefined && output === undefined ? undefined : (input ?? 0) + (output ?? 0))
    const cached = read ?? count('cached')
    const cost = count('cost')
    return {
      ...(this.#model === undefined ? {} : { model: this.#model }),
      ...(input === undefined ? {} : { input }),
      ...(output === undefined ? {} : { output }),
      ...(cached === undefined ? {} : { cached }),
      ...(written === undefined ? {} : { cacheWrite: written }),
      ...(total === undefined ? {} : { total }),
      ...(cost === undefined ? {} : { cost }),
      // Anthropic says the input first and the output at the end; all others say both at once.
      complete: begun === undefined ? input !== undefined || output !== undefined : count('output') !== undefined,
    }
  }
}

/** A name that can be shown and stored; undefined for what is none. */
export function modelName(value: Scalar): string | undefined {
  if (typeof value !== 'string') return undefined
  // What has no letter or sign of its own, controls above all, stands in no model's name.
  const name = value.replaceAll(/[^\x21-\x7e]/g, '').replace(/^models\//, '')
  return name === '' ? undefined : name.slice(0, MODEL_CHARACTERS)
}

function sum(...numbers: readonly (number | undefined)[]): number | undefined {
  const known = numbers.filter((each) => each !== undefined)
  return known.length === 0 ? undefined : known.reduce((left, right) => left + right)
}

/**
 * Commands of the earlier product that come with a later release. They are refused by name, so that a script written
 * for them fails with a sentence instead of a guess. `sb` is the alias of `sandbox`.
 */
export const LATER_COMMANDS: readonly string[] = [
  'exec',
  'attach',
  'sandbox',
  'sb',
  'ssh',
  'snapshot',
  'session',
  'template',
  'secret',
  'plugin',
  'volume',
  'images',
  'daemon',
  'serve',
  'mcp-server',
  'build',
  'setup',
  'stats',
  'benchmark',
  'replay',
  'receipt',
  'pipeline',
  'parallel',
  'llm',
  'policy',
]

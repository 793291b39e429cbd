/**
 * Commands of the earlier product that come with a later release. They are refused by name, so that a script written
 * for them fails with a sentence instead of a guess.
 */
export const LATER_COMMANDS: readonly string[] = [
  'ssh',
  'snapshot',
  'session',
  'template',
  'plugin',
  'volume',
  'images',
  'mcp-server',
  'build',
  'setup',
  'benchmark',
  'receipt',
  'pipeline',
  'parallel',
  'policy',
]

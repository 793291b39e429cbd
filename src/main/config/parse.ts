import { parse, TomlError } from 'smol-toml'
import { AppError } from '../../contract/errors.ts'
import { CONFIG_SHAPE } from '../../contract/schemas/config-keys.ts'
import type { ConfigFile } from '../../contract/schemas/config-keys.ts'
import { checkShape } from './check.ts'
import { explainIssues } from './explain.ts'
import { createKeyLocator } from './locate-key.ts'
import type { KeyLocator, KeyPath } from './locate-key.ts'

export interface ParsedConfig {
  /** Known keys only. */
  readonly file: ConfigFile
  /** One sentence per unknown key. */
  readonly warnings: readonly string[]
  readonly locate: KeyLocator
}

/**
 * Parses and checks the text of a config file. All wrong values are told at once, one line each.
 * Errors: `config_invalid`.
 */
export function parseConfig(text: string, shownAs: string): ParsedConfig {
  const document = parseToml(text, shownAs)
  const issues = checkShape(document, CONFIG_SHAPE)
  // Places are only needed to complain, and most files give no reason.
  let located: KeyLocator | undefined
  const locate: KeyLocator = (path) => (located ??= createKeyLocator(text))(path)
  const errors = issues.filter(({ kind }) => kind !== 'unknown')
  if (errors.length > 0) throw new AppError('config_invalid', explainIssues(errors, shownAs, locate).join('\n'))
  const unknown = issues.filter(({ kind }) => kind === 'unknown')
  for (const { path } of unknown) remove(document, path)
  // The check found nothing wrong, and the type is derived from the same table.
  return { file: document as ConfigFile, warnings: explainIssues(unknown, shownAs, locate), locate }
}

function parseToml(text: string, shownAs: string): unknown {
  try {
    return parse(text, { unsafeKeyBehaviour: 'throw' })
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    // The parser's message goes on with the lines of the file, which may hold anything.
    const reason = (error.message.split('\n', 1)[0] ?? '').replace('Invalid TOML document: ', '')
    const problem =
      reason === 'document contains an unsafe property'
        ? 'the names "__proto__" and "constructor" are not allowed as keys'
        : `not valid TOML: ${reason}`
    throw new AppError('config_invalid', `${shownAs}:${error.line}:${error.column}: ${problem}`)
  }
}

/** Takes an unknown key out of the fresh document, so that nothing inside meets a name that is not in the table. */
function remove(document: unknown, path: KeyPath): void {
  const parent = path.slice(0, -1).reduce<unknown>((at, part) => (at as Record<string | number, unknown>)[part], document)
  delete (parent as Record<string | number, unknown>)[path.at(-1)!]
}

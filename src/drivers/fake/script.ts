/** One command of a pretended script. */
export interface ScriptCommand {
  readonly words: readonly string[]
  /** Ended with `&`. */
  readonly background: boolean
  /** Had `>&2`. */
  readonly toError: boolean
}

/**
 * Splits a script into its commands. Knows words, both kinds of quotes, `;`, a newline, `&` and `>&2`; everything else
 * is text. `$$` stays as it is, for `kill`.
 */
export function parseScript(script: string): readonly ScriptCommand[] {
  const commands: ScriptCommand[] = []
  let words: string[] = []
  const finish = (background: boolean): void => {
    const plain = words.filter((word) => word !== '>&2')
    if (words.length > 0) commands.push({ words: plain, background, toError: plain.length < words.length })
    words = []
  }
  for (const [token] of script.matchAll(/>&2|[;\n&]|(?:'[^']*'|"[^"]*"|[^\s;&'"])+/g)) {
    if (token === ';' || token === '\n') finish(false)
    else if (token === '&') finish(true)
    else
      words.push(
        token === '>&2' ? token : token.replace(/'([^']*)'|"([^"]*)"/g, (_all, single?: string, double?: string) => single ?? double ?? ''),
      )
  }
  finish(false)
  return commands
}

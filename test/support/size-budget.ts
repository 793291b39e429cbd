import type { SourceFile } from './source-files.ts'

/** The style guide's budgets, in lines. */
const FILE_LIMIT = 400
const FILE_P90 = 250
const FUNCTION_LIMIT = 80
const FUNCTION_P90 = 40

/** Files over the limit, each with its reason. A file that no longer needs its entry fails the test too. */
export const LONG_FILES: Readonly<Record<string, string>> = {}

/** One sentence per broken budget. */
export function sizeViolations(files: readonly SourceFile[], reasons: Readonly<Record<string, string>> = LONG_FILES): string[] {
  const sizes = files.map((file) => ({ path: file.path, lines: countLines(file.text) }))
  const functions = files.flatMap(functionSizes)
  return [
    ...sizes
      .filter(({ path, lines }) => lines > FILE_LIMIT && !(path in reasons))
      .map(
        ({ path, lines }) =>
          `${path}: ${lines} lines, the limit is ${FILE_LIMIT}; split it by idea, or give a reason in test/support/size-budget.ts`,
      ),
    ...Object.keys(reasons)
      .filter((path) => !sizes.some((size) => size.path === path && size.lines > FILE_LIMIT))
      .map((path) => `${path} no longer needs its entry in test/support/size-budget.ts: remove it`),
    ...functions
      .filter(({ lines }) => lines > FUNCTION_LIMIT)
      .map(
        ({ path, name, lines }) => `${path}: ${name} has ${lines} lines, the limit is ${FUNCTION_LIMIT}; name its middle and move it out`,
      ),
    ...percentile('files', sizes, FILE_P90),
    ...percentile('functions', functions, FUNCTION_P90),
  ]
}

function percentile(what: string, sizes: readonly { path: string; lines: number }[], limit: number): string[] {
  const sorted = sizes.toSorted((a, b) => a.lines - b.lines)
  const at = sorted[Math.floor(sorted.length * 0.9)]
  if (at === undefined || at.lines <= limit) return []
  const longest = sorted.slice(-5).map(({ path, lines }) => `${path} (${lines})`)
  return [`one in ten ${what} is longer than ${limit} lines; shorten the longest: ${longest.join(', ')}`]
}

function countLines(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
}

/** Functions and methods by their indentation, which the formatter guarantees: from the head to the first brace at its own column. */
function functionSizes(file: SourceFile): { path: string; name: string; lines: number }[] {
  const head =
    /^( *)(?:export )?(?:default )?(?:static |private |readonly )*(?:async )?(?:function\*? (\w+)|(?!if|for|while|switch|return|catch)(#?\w+)\([^)\n]*\)(?:: [^\n{=]+)? \{$|(?:const (\w+) = (?:async )?\([^\n]*=> \{$))/
  const lines = file.code.split('\n')
  return lines.flatMap((line, start) => {
    const match = head.exec(line)
    if (match === null) return []
    const end = lines.findIndex((other, at) => at > start && new RegExp(`^${match[1]}\\}`).test(other))
    const name = match[2] ?? match[3] ?? match[4] ?? '?'
    return end === -1 ? [] : [{ path: file.path, name, lines: end - start + 1 }]
  })
}

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

export const ROOT = join(import.meta.dir, '../..')

export interface SourceFile {
  /** From the root of the checkout, e.g. `src/lib/duration.ts`. */
  readonly path: string
  /** As written. */
  readonly text: string
  /** Comments replaced by spaces, so that lines and columns stay. */
  readonly code: string
}

/** Every TypeScript file under `src`, without tests. */
export function productFiles(): SourceFile[] {
  return readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !isTest(path))
    .map((path) => readSource(join('src', path)))
    .toSorted((a, b) => a.path.localeCompare(b.path))
}

/** Every TypeScript file of the project, tests included. */
export function allTypeScript(): SourceFile[] {
  return committedFiles()
    .filter((path) => path.endsWith('.ts'))
    .map(readSource)
}

/** What git has or would add, so that nothing built or installed is looked at. */
export function committedFiles(): string[] {
  const options = { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 << 20 } as const
  const listed = execFileSync('git', ['-c', 'safe.directory=*', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], options)
  return listed.split('\0').filter((path) => path !== '' && Bun.file(join(ROOT, path)).size > 0)
}

export function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8')
  return { path: relative('.', path), text, code: withoutComments(text) }
}

/** Tests, and what only tests import. */
export function isTest(path: string): boolean {
  return /\.test(?:-support)?\.ts$/.test(path)
}

/**
 * Blanks comments and keeps strings. Regular expressions with a quote or `//` inside are told from a division by what
 * stands before them.
 */
export function withoutComments(text: string): string {
  const strings = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/.source
  const expression = /(?<=[=(,:[!&|?{};>]\s*|return\s+|^\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\//.source
  const comments = /\/\/[^\n]*|\/\*[\s\S]*?\*\//.source
  const token = new RegExp(`(${strings}|${expression})|${comments}`, 'gm')
  return text.replace(token, (whole, kept: string | undefined) => kept ?? whole.replace(/[^\n]/g, ' '))
}

/** Where a file imports from, as paths from the root; packages stay as written. Type imports count. */
export function importsOf(file: SourceFile): string[] {
  const statement = /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*(['"])(.+?)\1|^\s*import\s*(['"])(.+?)\3|\bimport\(\s*(['"])(.+?)\5\s*\)/gm
  return [...file.code.matchAll(statement)]
    .map((match) => match[2] ?? match[4] ?? match[6] ?? '')
    .map((target) => (target.startsWith('.') ? join(file.path, '..', target) : target))
}

/** 1-based line of an offset. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}

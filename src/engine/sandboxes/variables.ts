import { AppError } from '../../contract/errors.ts'

/** `KEY=value` texts as a record. Errors: `invalid_argument`. */
export function parseVariables(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=')
      const name = text.slice(0, Math.max(at, 0))
      if (name === '' || /[\s\0]/.test(name) || text.includes('\0')) {
        throw new AppError('invalid_argument', `the variable "${(at < 0 ? text : name).slice(0, 40)}" is not written as KEY=value`)
      }
      return [name, text.slice(at + 1)]
    }),
  )
}

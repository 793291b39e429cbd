import { detectByCommand } from './by-command.ts'

/**
 * One sentence for a command that was not found (exit 127) and that an image would bring; undefined when no language
 * claims it, or when a path inside the project was named, which no image can provide. Cheap: a look into a table.
 */
export function missingCommandHint(argv0: string): string | undefined {
  if (argv0.includes('/') && !argv0.startsWith('/')) return undefined
  const match = detectByCommand(argv0)
  if (match === undefined) return undefined
  const { language, command, typed } = match
  // Only the unversioned name is sure to be there: python:3.12-alpine has no python3.11.
  if (typed === command && language.commands.includes(command)) {
    return `${typed} comes with the image ${language.image}; running in images arrives with a later release.`
  }
  return `${typed} belongs to ${language.title}, whose image is ${language.image}; running in images arrives with a later release.`
}

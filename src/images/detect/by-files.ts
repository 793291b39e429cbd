import { LANGUAGES, MARKER_GRADES, type Language } from './languages.ts'

/** One name at the top level of a project. `fs.Dirent` can be turned into it without a further system call. */
export interface ProjectEntry {
  readonly name: string
  readonly isDirectory: boolean
}

/** A file that gives a language away. */
export interface FileMatch {
  readonly language: Language
  /** The marker of the table, e.g. `*.tf`: never the file's own name, which may be hostile. */
  readonly marker: string
}

/**
 * The language of a project, from the names at its top level; directories do not count. Grades come before rank: a
 * `composer.json` (strong) beats a `Makefile` (weak), whatever the order of the languages.
 */
export function detectByFiles(entries: Iterable<ProjectEntry>): FileMatch | undefined {
  const present = markersPresent(entries)
  for (const grade of MARKER_GRADES) {
    for (const language of LANGUAGES) {
      const marker = language.files[grade]?.find((candidate) => present.has(candidate))
      if (marker !== undefined) return { language, marker }
    }
  }
  return undefined
}

/** Every name, and `*.ext` for every name with a stem. One pass, so that huge directories cost little. */
function markersPresent(entries: Iterable<ProjectEntry>): ReadonlySet<string> {
  const present = new Set<string>()
  for (const { name, isDirectory } of entries) {
    if (isDirectory) continue
    const dot = name.lastIndexOf('.')
    if (dot > 0) present.add(`*${name.slice(dot)}`)
    present.add(name)
  }
  return present
}

import { detectByCommand } from './by-command.ts'
import { detectByFiles, type ProjectEntry } from './by-files.ts'
import { detectByProcfile } from './by-procfile.ts'
import { DEFAULT_IMAGE } from './runtime-images.ts'

/** What the choice of an image may look at. Undefined and empty both mean "nothing known". */
export interface DetectImageInput {
  /** Program and arguments; only the program is looked at. */
  readonly command?: readonly string[]
  /** Image named by the user with a flag. */
  readonly image?: string
  /** Image of the configuration. */
  readonly configImage?: string
  readonly projectEntries?: Iterable<ProjectEntry>
  /** Text of the Procfile. */
  readonly procfile?: string
  /**
   * `command`: the command says more than the project around it (`run`). `project`: the reverse (`init`, create).
   * @default 'command'
   */
  readonly prefer?: 'command' | 'project'
}

export interface DetectedImage {
  readonly image: string
  /** Key of the language, e.g. `python`; undefined when the user or the configuration named the image, or nothing was found. */
  readonly language: string | undefined
  /** Why this image, as a phrase on one line; never holds text of the project. */
  readonly reason: string
  readonly source: 'flag' | 'config' | 'command' | 'files' | 'procfile' | 'default'
}

/**
 * The image for a sandbox and why. Order: flag, configuration, command, project files, Procfile, `alpine:3.20`; with
 * `prefer: 'project'` the command comes after the Procfile. Pure: reads nothing and cannot fail.
 */
export function detectImage(input: DetectImageInput): DetectedImage {
  const named = fromNames(input)
  if (named !== undefined) return named
  const found = input.prefer === 'project' ? (fromProject(input) ?? fromCommand(input)) : (fromCommand(input) ?? fromProject(input))
  return found ?? { image: DEFAULT_IMAGE, language: undefined, reason: 'nothing here says which language is used', source: 'default' }
}

function fromNames(input: DetectImageInput): DetectedImage | undefined {
  if (input.image !== undefined && input.image !== '') {
    return { image: input.image, language: undefined, reason: 'named with --image', source: 'flag' }
  }
  if (input.configImage !== undefined && input.configImage !== '') {
    return { image: input.configImage, language: undefined, reason: 'named in the configuration', source: 'config' }
  }
  return undefined
}

function fromCommand(input: DetectImageInput): DetectedImage | undefined {
  const match = detectByCommand(input.command?.[0] ?? '')
  if (match === undefined) return undefined
  const { language, typed } = match
  return { image: language.image, language: language.id, reason: `the command ${typed} belongs to ${language.title}`, source: 'command' }
}

function fromProject(input: DetectImageInput): DetectedImage | undefined {
  const file = detectByFiles(input.projectEntries ?? [])
  if (file !== undefined) {
    const { language, marker } = file
    return { image: language.image, language: language.id, reason: `a file ${marker} says ${language.title}`, source: 'files' }
  }
  const line = detectByProcfile(input.procfile ?? '')
  if (line === undefined) return undefined
  const { language, typed } = line.match
  const reason = `the Procfile starts ${line.processType} with ${typed}, which belongs to ${language.title}`
  return { image: language.image, language: language.id, reason, source: 'procfile' }
}

/** One setting of a git configuration: the section's first word and the key in lower case. */
export interface GitSetting {
  readonly section: string
  readonly key: string
  readonly value: string
}

/**
 * The settings of a git configuration, in order, read as git reads them: several on a line after a section's name,
 * comments, quotes, escapes and continued lines. See git-config(1), "Syntax". What git would refuse is passed over.
 */
export function gitConfigValues(text: string): GitSetting[] {
  const settings: GitSetting[] = []
  let section = ''
  for (const line of text.replaceAll(/\\\r?\n/g, '').split(/\r?\n/)) {
    let rest = line.trimStart()
    for (let header = HEADER.exec(rest); header !== null; header = HEADER.exec(rest)) {
      section = header[1]!.toLowerCase()
      rest = rest.slice(header[0].length).trimStart()
    }
    const setting = /^([a-z][a-z0-9-]*)\s*=\s*(.*)$/i.exec(rest)
    if (setting !== null) settings.push({ section, key: setting[1]!.toLowerCase(), value: valueOf(setting[2]!) })
  }
  return settings
}

const HEADER = /^\[\s*([a-z0-9.-]+)(?:\s+"(?:[^"\\]|\\.)*")?\s*\]/i

/** A value without its quotes, escapes and comment. */
function valueOf(text: string): string {
  let value = ''
  let kept = 0
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!
    if (character === '"') quoted = !quoted
    else if (!quoted && (character === '#' || character === ';')) break
    else value += character === '\\' ? (text[++i] ?? '') : character
    // Blanks at the end belong to the value only inside quotes.
    if (quoted || !/\s/.test(character)) kept = value.length
  }
  return value.slice(0, kept)
}

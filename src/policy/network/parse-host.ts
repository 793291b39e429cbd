import type { AppError } from '../../contract/errors.ts'
import { formatAddress, formatRange, maskOf, parseAddress, parseRange } from './address.ts'
import type { AddressRange } from './address.ts'
import { parseName } from './names.ts'
import type { NameProblem } from './names.ts'
import type { NamePattern, RangePattern } from './rule.ts'

/** Says what is wrong with a rule. `fix` is a sentence that says what to write. */
export type Fail = (cause: string, fix: string) => AppError

/** The host of any rule: a name, a name with `*.`, or a literal. */
export function hostOf(text: string, fail: Fail): NamePattern | RangePattern {
  if (text.startsWith('[') || text.includes('/') || looksNumeric(text)) return { kind: 'range', range: rangeOf(text, fail) }
  const below = text.startsWith('*.')
  if (text === '*') throw fail('`*` would be every name', 'Write public for every public host, or *.example.com.')
  const written = below ? text.slice(2) : text
  if (written.includes('*')) {
    throw fail('`*` stands only at the front, for everything below a name', 'Write *.example.com, or each name by itself.')
  }
  const parsed = parseName(written)
  if ('problem' in parsed) throw fail(...problemOf(parsed.problem))
  return { kind: 'name', name: parsed.name, below }
}

const looksNumeric = (text: string): boolean => parseAddress(text) !== undefined

function problemOf(problem: NameProblem): readonly [cause: string, fix: string] {
  switch (problem) {
    case 'empty':
      return ['the name, or a part of it between dots, is empty', 'Write a name such as example.com.']
    case 'long':
      return ['the name is too long', 'Write at most 253 characters, with at most 63 between dots.']
    case 'address':
      return ['it looks like an address, but is not written as one', 'Write four decimal numbers without leading zeros, as in 10.0.0.1.']
    case 'character':
      return [
        'the name holds a character that names cannot have',
        'Write letters, digits, hyphens and dots, as in example.com or *.example.com.',
      ]
    case 'punycode':
      return ['the name is no valid international name', 'Check its spelling, or write its ASCII form (xn--…).']
  }
}

function rangeOf(text: string, fail: Fail): AddressRange {
  const match = /^\[([^\]]*)\](.*)$/.exec(text)
  const bare = match === null ? text : `${match[1]}${match[2]}`
  const range = parseRange(bare)
  if (range !== undefined && (range.family === 6) === (match !== null)) return canonical(range, text, fail)
  throw misread(text, bare, fail)
}

/** One form for each address, so that a reader sees at once whether two rules are the same. */
function canonical(range: AddressRange, text: string, fail: Fail): AddressRange {
  const written = formatRange(range)
  if (text === written || text === `${written}/${range.family === 4 ? 32 : 128}`) return range
  throw fail('the address is not in its usual form', `Write ${written}.`)
}

function misread(text: string, bare: string, fail: Fail): AppError {
  const [, address = '', bits = ''] = /^([^/]*)\/(\d{1,3})$/.exec(bare) ?? []
  const parsed = parseAddress(address)
  if (parsed !== undefined && Number(bits) <= (parsed.family === 4 ? 32 : 128) && String(Number(bits)) === bits) {
    const range = { ...parsed, bits: Number(bits) }
    const whole = { ...range, words: maskOf(range) }
    return fail(
      'bits behind the prefix are set',
      `Write ${formatRange(whole)}, or ${formatRange({ ...parsed, bits: parsed.family === 4 ? 32 : 128 })} for this address alone.`,
    )
  }
  if (!text.startsWith('[') && /^[^/]*[a-z][^/]*\//i.test(text)) {
    return fail('a rule for a path names methods and a scheme', `Write 'GET https://${text.slice(0, 60)}'.`)
  }
  const single = parseAddress(bare)
  if (single !== undefined) return fail('only IPv6 addresses stand in brackets', `Write ${formatAddress(single)}.`)
  return fail('it is no address', 'Write 10.0.0.1, 10.0.0.0/8, [fd00::1] or [fd00::]/8.')
}

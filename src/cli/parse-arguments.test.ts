import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { isAppError } from '../contract/errors.ts'
import type { CommandSpec } from './command.ts'
import { asksForJson, parseArguments } from './parse-arguments.ts'

const spec: CommandSpec = {
  name: 'paint',
  summary: 'Paint',
  usage: ['paint [FILE]'],
  positionals: { kind: 'list', label: 'FILE', summary: 'What to paint', max: 2 },
  flags: [
    { name: 'colour', short: 'c', value: { label: 'NAME', choices: ['red', 'green'] }, summary: 'Colour' },
    { name: 'size', short: 's', value: { label: 'N' }, summary: 'Size' },
    { name: 'tag', short: 't', value: { label: 'TAG' }, repeatable: true, summary: 'Tag' },
    { name: 'fast', short: 'f', summary: 'Fast' },
    { name: 'json', short: 'j', summary: 'JSON' },
  ],
  examples: [],
  laterFlags: [{ name: 'glitter', short: 'g', note: 'Use --tag.' }],
}
const proxy: CommandSpec = { ...spec, positionals: { kind: 'command', summary: 'Program' } }

function failure(of: CommandSpec, argv: readonly string[]): string {
  try {
    parseArguments(of, argv)
  } catch (error) {
    if (isAppError(error)) return `${error.code}: ${error.message}`
    throw error
  }
  return 'no error'
}

describe('values', () => {
  const forms: readonly (readonly string[])[] = [
    ['--colour', 'red'],
    ['--colour=red'],
    ['-c', 'red'],
    ['-cred'],
    ['-c=red'],
    ['-fcred'],
    ['-fc', 'red'],
  ]
  for (const argv of forms) {
    test(`${argv.join(' ')} sets the colour`, () => {
      expect(parseArguments(spec, argv).value('colour')).toBe('red')
    })
  }

  test('a value may contain an equals sign', () => {
    expect(parseArguments(spec, ['--tag=a=b', '-tc=d', '-t', 'e=f']).values('tag')).toEqual(['a=b', 'c=d', 'e=f'])
  })

  test('flags may follow positionals, until --', () => {
    const args = parseArguments(spec, ['a', '--fast', '--', '--json'])
    expect([args.has('fast'), args.has('json'), args.positionals]).toEqual([true, false, ['a', '--json']])
  })

  test('a negative number is a value, and a lone dash is one too', () => {
    expect(parseArguments(spec, ['-s', '-1']).value('size')).toBe('-1')
    expect(parseArguments(spec, ['-s', '-']).value('size')).toBe('-')
  })

  test('--help makes wrong positionals unimportant', () => {
    expect(parseArguments(spec, ['a', 'b', 'c', '--help']).has('help')).toBe(true)
  })
})

describe('a wrong command line is told in one sentence', () => {
  const table: readonly (readonly [readonly string[], string])[] = [
    [['--colur', 'red'], 'usage: unknown flag "--colur" for `agentkernel paint`; did you mean --colour?'],
    [['-x'], 'usage: unknown flag "-x" for `agentkernel paint`'],
    [['--colour', 'gren'], 'usage: unknown value "gren" for --colour (accepted: red, green); did you mean green?'],
    [['--colour'], 'usage: --colour needs a value (NAME).'],
    [['--colour', '--fast'], 'usage: --colour needs a value (NAME), but "--fast" looks like a flag; write --colour=VALUE if it is meant.'],
    [['--colour='], 'usage: --colour needs a value (NAME), but it is empty.'],
    [['--fast=yes'], 'usage: --fast takes no value, but "yes" was given.'],
    [['-s', '1', '-s', '2'], 'usage: --size is given twice ("1" and "2"); give it once.'],
    [['a', 'b', 'c'], 'usage: unexpected argument "c" for `agentkernel paint`.'],
    [['--glitter=much'], 'not_available_yet: --glitter is not available yet.'],
    [['-fg'], 'not_available_yet: -g (--glitter) is not available yet.'],
    [['--\x1b[31m'], 'usage: unknown flag "--\\x1b[31m" for `agentkernel paint`'],
  ]
  for (const [argv, message] of table) {
    test(JSON.stringify(argv), () => expect(failure(spec, argv)).toStartWith(message))
  }
})

describe('a command that stands for another program', () => {
  test('keeps its flags away from the first positional on', () => {
    expect(parseArguments(proxy, ['-f', 'python3', '-c', 'x', '--', '--json']).positionals).toEqual(['python3', '-c', 'x', '--', '--json'])
  })

  test('passes everything after the first positional verbatim, whatever it is', () => {
    const flags = fc.constantFrom<string[]>([], ['-f'], ['--colour', 'red'], ['-tx', '--tag=y'], ['--'], ['-j', '--'])
    const program = fc.string().filter((word) => word === '-' || !word.startsWith('-'))
    fc.assert(
      fc.property(flags, program, fc.array(fc.string()), (before, first, rest) => {
        expect(parseArguments(proxy, [...before, first, ...rest]).positionals).toEqual([first, ...rest])
      }),
    )
  })
})

test('any words end in a result or an expected error', () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom('--', '-', '--colour', '-c', '-fc', '--tag=', '__proto__', '--__proto__', '--constructor', '-sf', 'red'),
  )
  fc.assert(
    fc.property(fc.array(word), fc.constantFrom(spec, proxy), (argv, of) => {
      expect(failure(of, argv)).toMatch(/^(no error$|usage: |not_available_yet: )/)
      asksForJson(of, argv)
    }),
  )
})

describe('asking for JSON is noticed on a command line that does not parse', () => {
  const table: readonly (readonly [CommandSpec, readonly string[], boolean])[] = [
    [spec, ['--bogus', '--json'], true],
    [spec, ['a', '--json'], true],
    [spec, ['--', '--json'], false],
    [proxy, ['--bogus', '--json', 'x'], true],
    [proxy, ['-c', 'red', '--json', 'x'], true],
    [proxy, ['x', '--json'], false],
    [{ ...spec, flags: [] }, ['--json'], false],
  ]
  for (const [of, argv, expected] of table) {
    test(`${of.positionals.kind}: ${argv.join(' ')}`, () => expect(asksForJson(of, argv)).toBe(expected))
  }
})

describe('a command whose program stands behind a name', () => {
  const named: CommandSpec = {
    ...spec,
    positionals: { kind: 'command', summary: 'Program', first: { label: 'NAME', summary: 'Where' } },
  }
  const table: readonly (readonly [readonly string[], readonly string[], boolean])[] = [
    [['dev', 'ls', '--fast'], ['dev', 'ls', '--fast'], false],
    [['dev', '--fast', 'ls', '-f'], ['dev', 'ls', '-f'], true],
    [['-f', 'dev', '--', '--fast'], ['dev', '--fast'], true],
    [['--', 'dev', '-f'], ['dev', '-f'], false],
    [['dev', '--', 'ls', '--', '-f'], ['dev', 'ls', '--', '-f'], false],
    [['dev', '-s', '3', 'ls'], ['dev', 'ls'], false],
  ]
  test.each(table)('%j gives %j', (argv, positionals, fast) => {
    const args = parseArguments(named, argv)
    expect([args.positionals, args.has('fast')]).toEqual([positionals, fast])
  })

  test('asks for JSON only before the program begins', () => {
    for (const argv of [['dev', '--json', 'ls'], ['--json'], ['dev', '-s', '1', '--json', '--bogus']])
      expect(asksForJson(named, argv)).toBe(true)
    for (const argv of [
      ['dev', 'ls', '--json'],
      ['dev', '--', '--json'],
      ['dev', '-s', '--', '--json'],
    ])
      expect(asksForJson(named, argv)).toBe(false)
  })
})

describe('a flag whose value may be left out', () => {
  const optional: CommandSpec = {
    ...spec,
    flags: [...spec.flags, { name: 'project', short: 'p', value: { label: 'NAME', optional: true }, summary: 'Project' }],
  }
  const table: readonly (readonly [readonly string[], string | undefined])[] = [
    [['--project'], undefined],
    [['--project', '--fast'], undefined],
    [['--project', '--', 'x'], undefined],
    [['-p', 'shop'], 'shop'],
    [['--project=shop'], 'shop'],
    [['-fp'], undefined],
  ]
  test.each(table)('%j gives %p', (argv, value) => {
    const args = parseArguments(optional, argv)
    expect([args.has('project'), args.value('project')]).toEqual([true, value])
  })

  test('must not be empty when it is written', () => {
    expect(failure(optional, ['--project='])).toContain('--project needs a value (NAME), but it is empty')
  })
})

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { simpleCommands } from './shell-text.ts'

describe('simpleCommands', () => {
  const cases: readonly (readonly [name: string, text: string, expected: readonly (readonly string[])[]])[] = [
    ['splits at every operator', 'a; b && c || d | e & f\ng', [['a'], ['b'], ['c'], ['d'], ['e'], ['f'], ['g']]],
    ['keeps arguments together', 'git  commit -m msg', [['git', 'commit', '-m', 'msg']]],
    ['keeps operators in quotes as text', `echo 'a; b' "c && d" e\\;f`, [['echo', 'a; b', 'c && d', 'e;f']]],
    ['joins pieces of one word', `c'u'"r"l x`, [['curl', 'x']]],
    ['keeps an empty word', `a '' b`, [['a', '', 'b']]],
    ['joins lines at a backslash', 'cu\\\nrl x', [['curl', 'x']]],
    ['drops comments but not a # inside a word', 'a#b c # d; e\nf', [['a#b', 'c'], ['f']]],
    ['leaves out files of redirections', 'a >out 2>&1 <in b 2>/dev/null', [['a', 'b']]],
    ['reads a command after a redirection of everything', 'a &>log; b', [['a'], ['b']]],
    [
      'finds commands in substitutions',
      'echo $(curl x)',
      [
        ['curl', 'x'],
        ['echo', '$'],
      ],
    ],
    [
      'finds commands in substitutions inside double quotes',
      'echo "now: $(date "+)") `id`"',
      [['date', '+)'], ['id'], ['echo', 'now: $ $']],
    ],
    ['takes none from single quotes', `echo '$(curl x)'`, [['echo', '$(curl x)']]],
    ['finds commands in groups', '(a; b) && { c; }', [['a'], ['b'], ['{', 'c'], ['}']]],
    [
      'finds commands in process substitutions',
      'diff <(a 1) <(b 2)',
      [
        ['a', '1'],
        ['b', '2'],
        ['diff', '$', '$'],
      ],
    ],
    ['skips the text of a here-document', 'cat <<EOF\ncurl x\nEOF\nb', [['cat'], ['b']]],
    ['skips an indented here-document with a quoted end', "cat <<-'EOF'\n\tcurl\n\tEOF\nb", [['cat'], ['b']]],
    ['reads the arms of a case', 'case $x in a) curl;; esac', [['curl'], ['esac']]],
    ['reads the body of a function', 'f() { curl; }', [['{', 'curl'], ['}']]],
    ['reads text whose quote never ends', `a 'b; c`, [['a', 'b; c']]],
    ['finds nothing in blank text', ' \n\t ; ', []],
  ]
  for (const [name, text, expected] of cases) {
    test(name, () => {
      const found: readonly (readonly string[])[] = simpleCommands(text)
      expect(found).toEqual(expected)
    })
  }

  test('never throws and never loops, whatever the text', () => {
    const alphabet = fc.constantFrom(...`ab1 \t\n;&|()<>'"\\$\`#{}=-EOF!`)
    fc.assert(
      fc.property(fc.string({ unit: alphabet, maxLength: 60 }), (text) => {
        for (const words of simpleCommands(text)) expect(words.length).toBeGreaterThan(0)
      }),
      { numRuns: 2000 },
    )
  })

  test('gives back words that were quoted, whatever they hold', () => {
    const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`
    fc.assert(
      fc.property(fc.array(fc.array(fc.string(), { minLength: 1, maxLength: 4 }), { maxLength: 4 }), (commands) => {
        expect(simpleCommands(commands.map((words) => words.map(quote).join(' ')).join(' ; '))).toEqual(commands)
      }),
    )
  })

  test('stops looking at absurd depth instead of running out of stack', () => {
    expect(() => simpleCommands('$('.repeat(50_000))).not.toThrow()
  })
})

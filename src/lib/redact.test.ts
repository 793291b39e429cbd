import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { redactArguments, redactData, REDACTED, redactText } from './redact.ts'

/** Assembled here, so that no scanner of this repository takes an example for a leak. */
const tail = 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8'
const jwt = `eyJ${'hbGciOiJIUzI1NiJ9'}.eyJ${'zdWIiOiIxIn0'}.${tail}`
const pem = (kind: string) => `-----BEGIN ${kind}-----\nMIIEvQ\nabc\n-----END ${kind}-----`

describe('text', () => {
  test.each([
    ['OpenAI', `sk-${tail}`],
    ['OpenAI project', `sk-proj-${tail}`],
    ['Anthropic', `sk-ant-api03-${tail}_-x`],
    ['Stripe', `sk_live_${tail}`],
    ['GitHub', `ghp_${tail}`],
    ['GitHub OAuth', `gho_${tail}`],
    ['GitHub fine-grained', `github_pat_${tail}_${tail}`],
    ['GitLab', `glpat-${tail}`],
    ['AWS', `AKIA${'ABCDEFGHIJ234567'}`],
    ['Slack', `xoxb-123456789012-${tail}`],
    ['Google', `AIza${tail}`],
    ['npm', `npm_${tail}`],
    ['Hugging Face', `hf_${tail}`],
    ['JWT', jwt],
  ])('the token of %s goes, what stands around it stays', (_name, token) => {
    expect(redactText(token, [])).toBe(REDACTED)
    expect(redactText(`echo ${token} | cat`, [])).toBe(`echo ${REDACTED} | cat`)
    expect(redactText(`"${token}"`, [])).toBe(`"${REDACTED}"`)
  })

  test.each([
    ['PASSWORD=hunter2 run', `PASSWORD=${REDACTED} run`],
    ['export DB_PASS=hunter2; run', `export DB_PASS=${REDACTED}; run`],
    ["MYSQL_PWD='two words' mysql", `MYSQL_PWD=${REDACTED} mysql`],
    ['PASSWORD="a \\" b" run', `PASSWORD=${REDACTED} run`],
    ['PASSWORD="never closed run', `PASSWORD=${REDACTED}`],
    ['FOO="PASSWORD=abc def"', `FOO="PASSWORD=${REDACTED} def"`],
    ['mysql --password hunter2 -e x', `mysql --password ${REDACTED} -e x`],
    ['x --run "y --token abc"', `x --run "y --token ${REDACTED}"`],
    ['curl -d \'{"password": "x y", "a": 1}\'', `curl -d '{"password": ${REDACTED}, "a": 1}'`],
    ['{\\"client_secret\\":\\"x y\\"}', `{\\"client_secret\\":${REDACTED}}`],
    ['https://x.test/a?page=2&access_token=abc&b=c', `https://x.test/a?page=2&access_token=${REDACTED}&b=c`],
    ['https://me:pa@ss@x.test/a', `https://${REDACTED}@x.test/a`],
    ['postgres://me:pw@db:5432/x', `postgres://${REDACTED}@db:5432/x`],
    ['Authorization: Bearer abc', `Authorization: Bearer ${REDACTED}`],
    ['authorization: abc def', `authorization: ${REDACTED}`],
    ["curl -H 'X-Api-Key: abc' x", `curl -H 'X-Api-Key: ${REDACTED}' x`],
    ['Cookie: a=b; c=d', `Cookie: ${REDACTED}`],
    ['say Bearer abcdefgh', `say Bearer ${REDACTED}`],
    ['Basic bWU6cGFzc3dvcmQ=', `Basic ${REDACTED}`],
    [`key=${tail}`, `key=${REDACTED}`],
    [`cat > k <<E\n${pem('RSA PRIVATE KEY')}\nE`, `cat > k <<E\n${REDACTED}\nE`],
    [pem('OPENSSH PRIVATE KEY').slice(0, -10), REDACTED],
  ])('%j becomes %j', (before, after) => {
    expect(redactText(before, [])).toBe(after)
  })

  test.each([
    'echo hello world',
    'ls -la /home/me/.ssh',
    'git clone https://github.com/a/b.git',
    'git clone ssh://git@github.com/a/b.git',
    'python3 -c "print(1)"',
    'basic understanding of things',
    'PWD=/work OLDPWD=/',
    'task-skipping-all-of-these-files',
    'key=value sort --key=2,3 session=1',
    'cat --max-tokens 100 password.txt tokens.json',
    'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    pem('PUBLIC KEY'),
  ])('%j is left alone', (text) => {
    expect(redactText(text, [])).toBe(text)
  })

  test('a long hostile text is read in one scan, not in a square of it', () => {
    const pieces = [
      'eyJ',
      'sk-',
      '://',
      '"',
      '\\',
      'password',
      'password=',
      '-----BEGIN PRIVATE KEY-----',
      '--a',
      'x-',
      ' ',
      'key="',
      "'",
      '\\"',
    ]
    for (const piece of pieces) expect(typeof redactText(piece.repeat(300_000 / piece.length), [])).toBe('string')
  })
})

describe('a command line', () => {
  test.each([
    [
      ['mysql', '--password', 'hunter2', '-e', 'x'],
      ['mysql', '--password', REDACTED, '-e', 'x'],
    ],
    [
      ['x', '--token', '--verbose'],
      ['x', '--token', '--verbose'],
    ],
    [
      ['x', '--password=a, b & c'],
      ['x', `--password=${REDACTED}`],
    ],
    [
      ['env', 'TOKEN=a;b', 'x'],
      ['env', `TOKEN=${REDACTED}`, 'x'],
    ],
    [
      ['curl', '-u', 'me:pass word', 'x'],
      ['curl', '-u', `me:${REDACTED}`, 'x'],
    ],
    [
      ['docker', 'run', '-u', '1000:1000', 'x'],
      ['docker', 'run', '-u', '1000:1000', 'x'],
    ],
    [
      ['/usr/bin/mysql', '-psecret'],
      ['/usr/bin/mysql', `-p${REDACTED}`],
    ],
    [
      ['sshpass', '-p', 'secret', 'ssh', 'x'],
      ['sshpass', '-p', REDACTED, 'ssh', 'x'],
    ],
    [
      ['mkdir', '-p', 'secret'],
      ['mkdir', '-p', 'secret'],
    ],
    [
      ['curl', '-H', 'Authorization: Basic bWU6cHc='],
      ['curl', '-H', `Authorization: Basic ${REDACTED}`],
    ],
  ])('%j becomes %j', (before, after) => {
    expect(redactArguments(before, [])).toEqual(after)
  })

  test('keeps its length and order, the empty one too', () => {
    expect(redactArguments([], ['x'])).toEqual([])
    expect(redactArguments(['a', '', 'b'], [''])).toEqual(['a', '', 'b'])
  })
})

describe('known values', () => {
  test('go wherever they stand, as they are, in a URL, in JSON and in base64', () => {
    const secret = 'p&ss "word'
    const text = [secret, encodeURIComponent(secret), JSON.stringify(secret), btoa(secret)].join(' | ')
    expect(redactText(text, [secret])).toBe(`${REDACTED} | ${REDACTED} | "${REDACTED}" | ${REDACTED}`)
  })

  test('the longer of two goes first, so that no end of it stays', () => {
    expect(redactText('abcd-efgh', ['abcd', 'abcd-efgh'])).toBe(REDACTED)
  })

  test('a very short one goes only as a whole word', () => {
    expect(redactText('ab cab ab-c', ['ab'])).toBe(`${REDACTED} cab ${REDACTED}-c`)
  })

  test('one that the mark itself spells takes the whole text with it', () => {
    expect(redactText('redacted', ['redacted'])).toBe('***')
    expect(redactText('x', ['[redacted]', '****'])).toBe('x')
  })
})

describe('whatever the input', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.constantFrom(
      '--password',
      'token=',
      '"',
      "'",
      '\\"',
      'Bearer ',
      'Authorization: ',
      '://',
      '@',
      `sk-${tail}`,
      REDACTED,
      'red',
      '***',
      ' ',
      '-u',
      ':',
    ),
  )
  const text = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''))
  const command = fc.array(text, { maxLength: 6 })
  const secrets = fc.array(
    fc.oneof(fc.string({ unit: 'binary', minLength: 4, maxLength: 12 }), fc.constantFrom('[red', 'acted]', '****', `${REDACTED}x`)),
    {
      maxLength: 4,
    },
  )

  test('a known value never comes out', () => {
    fc.assert(
      fc.property(command, secrets, fc.nat(), (before, known, seed) => {
        const planted = before.map((item, index) => (known.length === 0 ? item : item + known[(seed + index) % known.length] + item))
        for (const item of redactArguments(planted, known)) for (const secret of known) expect(item).not.toContain(secret)
      }),
      { numRuns: 1_000 },
    )
  })

  test('doing it twice changes nothing', () => {
    fc.assert(
      fc.property(command, secrets, (before, known) => {
        const once = redactArguments(before, known)
        expect(redactArguments(once, known)).toEqual(once)
      }),
      { numRuns: 1_000 },
    )
  })

  test('any data keeps its shape, and nothing throws', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.array(fc.string({ unit: 'binary' })), (data, known) => {
        expect(Array.isArray(redactData(data, known))).toBe(Array.isArray(data))
        expect(typeof redactData(data, known)).toBe(typeof data)
      }),
    )
    expect(redactData({ a: ['x', '--token', 'y'], b: { c: 'PASSWORD=z', d: 1, e: null } }, [])).toEqual({
      a: ['x', '--token', REDACTED],
      b: { c: `PASSWORD=${REDACTED}`, d: 1, e: null },
    })
  })
})

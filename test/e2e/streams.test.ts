import { afterAll, describe, expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BINARY, processesWith, User, within } from './kit.ts'

const user = new User()
afterAll(() => user.remove())

const MIB = 1024 * 1024
const big = join(user.home, 'big')

describe('bytes', () => {
  const sum = (bytes: Uint8Array): string => new Bun.CryptoHasher('sha256').update(bytes).digest('hex')
  const ways = {
    'a pipe': `cat '${big}' | ak run cat | cat > "$HOME/out"`,
    'a file': `ak run cat < '${big}' > "$HOME/out"`,
    'a pipe that is non-blocking on both sides': `node -e '
      const { spawn } = require("node:child_process"), fs = require("node:fs")
      const child = spawn(process.argv[1], ["run", "cat"], { stdio: ["pipe", "pipe", "inherit"] })
      fs.createReadStream(process.argv[2]).pipe(child.stdin)
      child.stdout.pipe(fs.createWriteStream(process.argv[3]))
    ' '${BINARY}' '${big}' "$HOME/out"`,
  }
  for (const [name, script] of Object.entries(ways)) {
    test(`64 MiB go in and out unchanged through ${name}`, async () => {
      const bytes = Buffer.alloc(64 * MIB)
      for (let at = 0; at < bytes.length; at += MIB) crypto.getRandomValues(bytes.subarray(at, at + 65_536))
      writeFileSync(big, bytes)
      expect(await user.script(script, { env: { PATH: process.env['PATH'] ?? '' } })).toMatchObject({ code: 0, stderr: '' })
      expect(sum(readFileSync(join(user.home, 'out')))).toBe(sum(bytes))
    })
  }

  test('stdout and stderr stay apart and carry any byte', async () => {
    const script = String.raw`ak run sh -c 'printf "a\000\377b"; printf "e\000\376" >&2' 2>"$HOME/err" | od -An -tx1; od -An -tx1 "$HOME/err"`
    expect((await user.script(script)).stdout).toBe(' 61 00 ff 62\n 65 00 fe\n')
  })

  test('a line arrives while the command goes on', async () => {
    const child = spawn(BINARY, ['run', 'sh', '-c', 'echo first; read -r line; echo "got $line"'], { cwd: user.project, env: user.env })
    const [first] = (await within(once(child.stdout, 'data'), 'the first line')) as [Buffer]
    expect(first.toString()).toBe('first\n')
    child.stdin.write('answer\n')
    const [second] = (await within(once(child.stdout, 'data'), 'the answer')) as [Buffer]
    expect(second.toString()).toBe('got answer\n')
    await within(once(child, 'close'), 'the end')
  })

  for (const [where, script] of [
    ['a pipe', 'ak run head -c 1000000000 /dev/zero & wait_peak $!'],
    ['a file', 'ak run head -c 1000000000 /dev/zero > "$HOME/big" & wait_peak $!'],
  ]) {
    test(`1 GB printed to ${where} needs no more memory than a line`, async () => {
      // The peak of a process is the same or more at each look, so the last look before its end is the one that counts.
      const watch = `wait_peak() { while p=$(grep VmHWM "/proc/$1/status" 2>/dev/null) && [ -n "$p" ]; do peak=$p; done; wait "$1"; echo "$? $peak" >&2; }`
      const { code, stderr } = await user.script(`ak() { exec '${BINARY}' "$@"; }\n${watch}\n{ ${script}; } | tail -c 1 | od -An -tx1`)
      expect(code).toBe(0)
      const [, status, kilobytes] = /^(\d+) VmHWM:\s+(\d+) kB/.exec(stderr) ?? []
      expect(status).toBe('0')
      expect(Number(kilobytes)).toBeLessThan(80 * 1024)
    })
  }
})

describe('streams that end early', () => {
  test('`| head -1` ends the command and says nothing', async () => {
    expect(await user.script('ak run yes | head -1; echo "${PIPESTATUS[0]}"')).toEqual({ code: 0, stdout: 'y\n141\n', stderr: '' })
  })

  test('a socket whose reader goes ends the command too', async () => {
    const child = spawn(BINARY, ['run', 'yes'], { cwd: user.project, env: user.env })
    await within(once(child.stdout, 'data'), 'some output')
    child.stdout.destroy()
    expect(await within(once(child, 'exit'), 'the end')).toEqual([141, null])
  })

  test('a large file that the command does not read holds nothing up', async () => {
    writeFileSync(big, Buffer.alloc(16 * MIB))
    expect(await user.script(`ak run true < '${big}'`)).toMatchObject({ code: 0, stderr: '' })
  })

  test('a grandchild that holds stdout ends with the command', async () => {
    const script = `ak run sh -c 'sleep 1234.5 & echo done' e2e-holds-stdout | cat`
    expect(await user.script(script)).toEqual({ code: 0, stdout: 'done\n', stderr: '' })
    expect(processesWith('1234.5')).toEqual([])
  })

  test('output that the disk does not take is an error, not a success', async () => {
    const { code, stderr } = await user.script('ak run echo hello > /dev/full')
    expect(code).toBe(125)
    expect(stderr).toMatch(/^Error: cannot write the command's output: .*no space left/)
    expect((await user.script('ak run --json echo hello > /dev/full')).code).toBe(125)
  })
})

describe('streams of every kind', () => {
  const table: readonly (readonly [string, string, { code?: number; stdout?: string; stderr?: string }])[] = [
    ['a closed stdin is empty', 'ak run cat <&-', { stdout: '' }],
    ['a closed stdout takes nothing', 'ak run echo lost >&-', { stdout: '' }],
    ['a closed stderr leaves stdout alone', "ak run sh -c 'echo lost >&2; echo kept' 2>&-", { stdout: 'kept\n' }],
    ['all closed is no reason to fail', 'ak run true <&- >&- 2>&-', {}],
    ['a folder as stdin is empty', 'ak run cat < /', {}],
    ['/dev/null everywhere', 'ak run cat </dev/null >/dev/null 2>&1', {}],
    ['here-documents', 'ak run cat <<< text', { stdout: 'text\n' }],
  ]
  for (const [name, script, expected] of table) {
    test(name, async () => expect(await user.script(script)).toEqual({ code: 0, stdout: '', stderr: '', ...expected }))
  }

  const again = `sh -c 'echo out > /dev/stdout; echo err > /dev/stderr; cat /dev/stdin'`
  const kinds: readonly (readonly [string, string])[] = [
    ['sockets', `ak run ${again}`],
    ['pipes', `echo | { { ak run ${again} | cat; } 2>&1 1>&3 3>&- | cat >&2; } 3>&1`],
    ['files', `echo > "$HOME/in"; ak run ${again} < "$HOME/in" > "$HOME/o" 2> "$HOME/e"; cat "$HOME/o"; cat "$HOME/e" >&2`],
  ]
  for (const [name, script] of kinds) {
    test(`/dev/stdin, /dev/stdout and /dev/stderr can be opened by name when they are ${name}`, async () => {
      const { code, stdout, stderr } = await user.script(script, { stdin: '\n' })
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'out\n\n', stderr: 'err\n' })
    })
  }

  test('what the user keeps in a file cannot be reached through a stream', async () => {
    writeFileSync(join(user.home, 'log'), 'earlier\n')
    await user.script(`ak run sh -c ': > /dev/stdout; truncate -s 0 /proc/self/fd/1; echo mine' >> "$HOME/log" 2>/dev/null`)
    expect(readFileSync(join(user.home, 'log'), 'utf8')).toBe('earlier\nmine\n')
  })
})

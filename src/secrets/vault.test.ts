import { afterEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { isAppError } from '../contract/errors.ts'
import { Secret } from '../lib/secret.ts'
import type { KeychainProgram } from './keychain.ts'
import { createVault, type VaultOptions } from './vault.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function home(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ak-vault-'))
  folders.push(folder)
  return folder
}
const NOW = new Date('2026-01-02T03:04:05Z')
const vaultIn = (dataDir: string, more: Partial<VaultOptions> = {}) =>
  createVault({ dataDir, env: {}, now: () => NOW, keychain: null, ...more })
const file = (dataDir: string) => join(dataDir, 'secrets', 'vault.json')
const revealed = async (value: Promise<Secret | undefined>) => (await value)?.reveal()
const VALUE = 'sk-a-value-that-nobody-sees'

async function codeOf(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work()
  } catch (error) {
    if (isAppError(error)) return error.code
    throw error
  }
  return undefined
}

/** A stand-in for `secret-tool` with its ways: it keeps what it is told in files, and writes down its arguments and environment. */
function fakeSecretTool(folder: string): KeychainProgram {
  const path = join(folder, 'secret-tool')
  mkdirSync(join(folder, 'items'))
  writeFileSync(
    path,
    `#!/bin/sh
echo "$@" >> "${folder}/said"; env >> "${folder}/said"
test -e "${folder}/broken" && { echo "Cannot autolaunch D-Bus" >&2; exit 1; }
test -e "${folder}/slow" && sleep 30
verb=$1; shift; case $1 in --label=*) shift;; esac
item="${folder}/items/$4"
case $verb in
  store) cat > "$item";;
  lookup) test -e "$item" || exit 1; cat "$item";;
  clear) rm -f "$item";;
esac
`,
  )
  chmodSync(path, 0o755)
  return { kind: 'secret-tool', path, env: { PATH: '/usr/bin:/bin' } }
}

describe('the vault in a file', () => {
  test('gives back what was set, with the times, and forgets what was deleted', async () => {
    const vault = vaultIn(home())
    expect(await vault.get('KEY')).toBeUndefined()
    expect(await vault.list()).toEqual([])
    await vault.set('KEY', new Secret(VALUE))
    await vault.set('__proto__', new Secret('other\nlines'))
    expect(await revealed(vault.get('KEY'))).toBe(VALUE)
    expect(await revealed(vault.get('__proto__'))).toBe('other\nlines')
    const at = NOW.toISOString()
    expect(await vault.list()).toEqual([
      { name: 'KEY', backend: 'file', created_at: at, updated_at: at },
      { name: '__proto__', backend: 'file', created_at: at, updated_at: at },
    ])
    expect(await vault.delete('KEY')).toBe(true)
    expect(await vault.delete('KEY')).toBe(false)
    expect(await vault.get('KEY')).toBeUndefined()
  })

  test('keeps the time of making over a new value', async () => {
    const dataDir = home()
    await vaultIn(dataDir).set('KEY', new Secret('1'))
    await vaultIn(dataDir, { now: () => new Date('2027-01-01T00:00:00Z') }).set('KEY', new Secret('2'))
    expect(await vaultIn(dataDir).list()).toEqual([
      { name: 'KEY', backend: 'file', created_at: NOW.toISOString(), updated_at: '2027-01-01T00:00:00.000Z' },
    ])
  })

  test('holds neither names nor values in clear, and is for its owner only', async () => {
    const dataDir = home()
    const vault = vaultIn(dataDir)
    await vault.set('TELLING_NAME', new Secret(VALUE))
    const folder = join(dataDir, 'secrets')
    for (const name of readdirSync(folder)) {
      const text = readFileSync(join(folder, name), 'latin1')
      expect(text).not.toContain('TELLING_NAME')
      for (const form of [VALUE, Buffer.from(VALUE).toString('base64'), Buffer.from(VALUE).toString('hex')])
        expect(text).not.toContain(form)
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600)
    }
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    expect(inspect(await vault.get('TELLING_NAME')) + JSON.stringify(await vault.list()) + inspect(vault, { depth: 9 })).not.toContain(
      VALUE,
    )
  })

  test('seals each writing anew', async () => {
    const dataDir = home()
    const vault = vaultIn(dataDir)
    await vault.set('KEY', new Secret(VALUE))
    const first = JSON.parse(readFileSync(file(dataDir), 'utf8'))
    await vault.set('KEY', new Secret(VALUE))
    const second = JSON.parse(readFileSync(file(dataDir), 'utf8'))
    expect(second.id).toBe(first.id)
    expect(second.nonce).not.toBe(first.nonce)
    expect(second.data).not.toBe(first.data)
  })

  test('forgets what belongs to a sandbox, and never lists it', async () => {
    const vault = vaultIn(home())
    await vault.set('sandbox/a1/KEY', new Secret('1'))
    await vault.set('sandbox/a11/KEY', new Secret('2'))
    await vault.set('KEY', new Secret('3'))
    expect((await vault.list()).map(({ name }) => name)).toEqual(['KEY'])
    await vault.forget('a1')
    expect([await vault.get('sandbox/a1/KEY'), await revealed(vault.get('sandbox/a11/KEY'))]).toEqual([undefined, '2'])
  })

  test('refuses names and values that cannot be', async () => {
    const vault = vaultIn(home())
    for (const name of ['', 'a b', 'a/b', '../x', 'ä', 'a\n', 'sandbox/a', 'sandbox/../KEY', 'sandbox/a/b/c', 'x'.repeat(129)]) {
      expect([name, await codeOf(() => vault.set(name, new Secret('v')))]).toEqual([name, 'invalid_argument'])
    }
    expect(await codeOf(() => vault.set('K', new Secret('')))).toBe('invalid_argument')
    expect(await codeOf(() => vault.set('K', new Secret('x'.repeat(64 * 1024 + 1))))).toBe('invalid_argument')
    await vault.set('K', new Secret('x'.repeat(64 * 1024)))
    expect((await revealed(vault.get('K')))?.length).toBe(64 * 1024)
  })
})

describe('a vault that is not as it was', () => {
  test('is refused whatever was changed in it, and never overwritten', async () => {
    const dataDir = home()
    await vaultIn(dataDir).set('KEY', new Secret(VALUE))
    const whole = readFileSync(file(dataDir))
    for (let at = 0; at < whole.length - 1; at += 3) {
      const bytes = Buffer.from(whole)
      bytes[at]! ^= 1
      writeFileSync(file(dataDir), bytes)
      const code = await codeOf(() => vaultIn(dataDir).get('KEY'))
      expect([at, ['vault_damaged', 'vault_locked'].includes(code ?? '')]).toEqual([at, true])
    }
    for (const bytes of [
      Buffer.alloc(0),
      whole.subarray(0, whole.length / 2),
      Buffer.from('{}'),
      Buffer.from('null'),
      Buffer.from([255]),
    ]) {
      writeFileSync(file(dataDir), bytes)
      expect(await codeOf(() => vaultIn(dataDir).set('KEY', new Secret('new')))).toBe('vault_damaged')
      expect(readFileSync(file(dataDir)).equals(bytes)).toBe(true)
    }
    writeFileSync(file(dataDir), whole)
    expect(await revealed(vaultIn(dataDir).get('KEY'))).toBe(VALUE)
  })

  test('of a later version asks for its release', async () => {
    const dataDir = home()
    await vaultIn(dataDir).set('KEY', new Secret(VALUE))
    writeFileSync(file(dataDir), readFileSync(file(dataDir), 'utf8').replace('"version":1', '"version":2'))
    expect(await codeOf(() => vaultIn(dataDir).get('KEY'))).toBe('vault_damaged')
  })

  test('without its key is locked, with another key too, and opens again when the key is back', async () => {
    const dataDir = home()
    await vaultIn(dataDir).set('KEY', new Secret(VALUE))
    const keyFile = join(dataDir, 'secrets', 'vault.key')
    const before = readFileSync(file(dataDir))
    renameSync(keyFile, `${keyFile}.away`)
    expect(await codeOf(() => vaultIn(dataDir).get('KEY'))).toBe('vault_locked')
    expect(await codeOf(() => vaultIn(dataDir).set('NEW', new Secret('x')))).toBe('vault_locked')
    for (const text of ['00'.repeat(32), 'no key', '']) {
      writeFileSync(keyFile, text, { mode: 0o600 })
      expect(await codeOf(() => vaultIn(dataDir).list())).toBe('vault_locked')
    }
    expect(readFileSync(file(dataDir)).equals(before)).toBe(true)
    renameSync(`${keyFile}.away`, keyFile)
    expect(await revealed(vaultIn(dataDir).get('KEY'))).toBe(VALUE)
  })

  test('that others can read or change, or that is a link, is refused', async () => {
    const dataDir = home()
    const folder = join(dataDir, 'secrets')
    await vaultIn(dataDir).set('KEY', new Secret(VALUE))
    const unsafe = async () => expect(await codeOf(() => vaultIn(dataDir).get('KEY'))).toBe('vault_unsafe')
    for (const [path, bad, good] of [
      [file(dataDir), 0o640, 0o600],
      [join(folder, 'vault.key'), 0o604, 0o600],
      [folder, 0o750, 0o700],
    ] as const) {
      chmodSync(path, bad)
      await unsafe()
      chmodSync(path, good)
    }
    renameSync(file(dataDir), join(folder, 'elsewhere'))
    symlinkSync('elsewhere', file(dataDir))
    await unsafe()
    rmSync(file(dataDir))
    renameSync(join(folder, 'elsewhere'), file(dataDir))
    renameSync(folder, `${folder}-real`)
    symlinkSync(`${folder}-real`, folder)
    await unsafe()
    rmSync(folder)
    writeFileSync(folder, '')
    await unsafe()
  })
})

describe('two writers', () => {
  test('in several processes lose nothing', async () => {
    const dataDir = home()
    const script = `
      import { createVault } from '${join(import.meta.dir, 'vault.ts')}'
      import { Secret } from '${join(import.meta.dir, '..', 'lib', 'secret.ts')}'
      const vault = createVault({ dataDir: process.argv[2], env: {}, now: () => new Date(), keychain: null })
      for (let i = 0; i < 20; i++) await vault.set(process.argv[3] + '_' + i, new Secret('v' + i))`
    const path = join(dataDir, 'writer.ts')
    writeFileSync(path, script)
    const writers = ['A', 'B', 'C'].map((name) => Bun.spawn([process.execPath, path, dataDir, name], { stderr: 'inherit' }))
    const own = vaultIn(dataDir)
    await Promise.all(Array.from({ length: 10 }, (_, i) => own.set(`D_${i}`, new Secret(`v${i}`))))
    expect(await Promise.all(writers.map(({ exited }) => exited))).toEqual([0, 0, 0])
    expect((await vaultIn(dataDir).list()).length).toBe(70)
  })

  test('see what a killed one left as if it had not begun', async () => {
    const dataDir = home()
    await vaultIn(dataDir).set('KEY', new Secret(VALUE))
    writeFileSync(`${file(dataDir)}.new`, 'half', { mode: 0o600 })
    await vaultIn(dataDir).set('OTHER', new Secret('2'))
    expect((await vaultIn(dataDir).list()).map(({ name }) => name)).toEqual(['KEY', 'OTHER'])
    expect(readdirSync(join(dataDir, 'secrets')).toSorted()).toEqual(['vault.json', 'vault.key', 'vault.lock'])
  })
})

describe('live values', () => {
  test('are new soon after somebody else set them, and gone when they are deleted', async () => {
    const dataDir = home()
    await vaultIn(dataDir).set('KEY', new Secret('1'))
    const live = await vaultIn(dataDir).live(['KEY'])
    expect(live.value('KEY')?.reveal()).toBe('1')
    await vaultIn(dataDir).set('KEY', new Secret('2'))
    await until(() => live.value('KEY')?.reveal() === '2')
    await vaultIn(dataDir).delete('KEY')
    await until(() => live.value('KEY') === undefined)
    live.close()
  })

  test('survive a vault that is made anew, and are none while it is damaged', async () => {
    const dataDir = home()
    const live = await vaultIn(dataDir).live(['KEY'])
    expect(live.value('KEY')).toBeUndefined()
    await vaultIn(dataDir).set('KEY', new Secret('1'))
    await until(() => live.value('KEY')?.reveal() === '1')
    rmSync(join(dataDir, 'secrets'), { recursive: true })
    await vaultIn(dataDir).set('KEY', new Secret('3'))
    await until(() => live.value('KEY')?.reveal() === '3')
    writeFileSync(file(dataDir), 'rubbish')
    await until(() => live.value('KEY') === undefined)
    live.close()
    expect(live.value('KEY')).toBeUndefined()
  })
})

describe('the environment as a vault', () => {
  test('is read by both names and never written, but keeps what belongs to sandboxes in the file', async () => {
    const env = { AGENTKERNEL_SECRET_KEY: 'mine', KEY: 'other', TOKEN: 't', EMPTY: '' }
    const vault = vaultIn(home(), { backend: 'env', env })
    expect([await revealed(vault.get('KEY')), await revealed(vault.get('TOKEN')), await vault.get('EMPTY')]).toEqual([
      'mine',
      't',
      undefined,
    ])
    expect(await vault.get('__proto__')).toBeUndefined()
    expect(await vault.list()).toEqual([{ name: 'KEY', backend: 'env' }])
    expect(await codeOf(() => vault.set('KEY', new Secret('x')))).toBe('vault_read_only')
    expect(await codeOf(() => vault.delete('KEY'))).toBe('vault_read_only')
    await vault.set('sandbox/a/KEY', new Secret('inline'))
    const live = await vault.live(['KEY', 'sandbox/a/KEY'])
    expect([live.value('KEY')?.reveal(), live.value('sandbox/a/KEY')?.reveal()]).toEqual(['mine', 'inline'])
    live.close()
  })
})

describe('the keychain', () => {
  test('as a vault holds the values, of which no argument and no environment knows', async () => {
    const folder = home()
    const vault = vaultIn(home(), { backend: 'keychain', keychain: fakeSecretTool(folder) })
    await vault.set('KEY', new Secret(`${VALUE}\nä`))
    expect(await revealed(vault.get('KEY'))).toBe(`${VALUE}\nä`)
    expect((await vault.list()).map(({ name, backend }) => [name, backend])).toEqual([['KEY', 'keychain']])
    const live = await vault.live(['KEY'])
    expect(live.value('KEY')?.reveal()).toBe(`${VALUE}\nä`)
    live.close()
    expect(await codeOf(() => vault.set('BIG', new Secret('x'.repeat(6_001))))).toBe('invalid_argument')
    expect([await vault.delete('KEY'), await vault.delete('KEY'), await vault.get('KEY')]).toEqual([true, false, undefined])
    const said = readFileSync(join(folder, 'said'), 'utf8')
    expect(said).toContain('secret-KEY')
    for (const form of [VALUE, Buffer.from(VALUE).toString('base64').slice(0, 20)]) expect(said).not.toContain(form)
  })

  test('keeps the key of an encrypted file when it works', async () => {
    const [folder, dataDir] = [home(), home()]
    const keychain = fakeSecretTool(folder)
    await vaultIn(dataDir, { keychain }).set('KEY', new Secret(VALUE))
    expect(readdirSync(join(dataDir, 'secrets'))).not.toContain('vault.key')
    expect(await revealed(vaultIn(dataDir, { keychain }).get('KEY'))).toBe(VALUE)
    writeFileSync(join(folder, 'broken'), '')
    expect(await codeOf(() => vaultIn(dataDir, { keychain }).get('KEY'))).toBe('vault_locked')
    rmSync(join(folder, 'broken'))
    expect(await codeOf(() => vaultIn(dataDir).get('KEY'))).toBe('vault_locked')
    for (const item of readdirSync(join(folder, 'items'))) rmSync(join(folder, 'items', item))
    expect(await codeOf(() => vaultIn(dataDir, { keychain }).get('KEY'))).toBe('vault_locked')
  })

  test('that does not work, or does not answer, leaves the key to a file', async () => {
    for (const fault of ['broken', 'slow']) {
      const [folder, dataDir] = [home(), home()]
      writeFileSync(join(folder, fault), '')
      const keychain = fakeSecretTool(folder)
      await vaultIn(dataDir, { keychain }).set('KEY', new Secret(VALUE))
      expect(readdirSync(join(dataDir, 'secrets'))).toContain('vault.key')
      expect(await revealed(vaultIn(dataDir).get('KEY'))).toBe(VALUE)
      if (fault === 'broken') expect(await codeOf(() => vaultIn(home(), { backend: 'keychain', keychain }).get('KEY'))).toBe('vault_locked')
    }
  }, 15_000)

  test('that is not there cannot be the vault', () => {
    expect(() => vaultIn(home(), { backend: 'keychain' })).toThrow('no program')
  })
})

describe("the earlier product's secrets", () => {
  const legacy = (folder: string, data: unknown): string => {
    const path = join(folder, 'secrets.json')
    writeFileSync(path, typeof data === 'string' ? data : JSON.stringify(data), { mode: 0o600 })
    return path
  }
  const base64 = (text: string) => Buffer.from(text).toString('base64')

  test('are taken over once, said so, and their file is left as it is', async () => {
    const [folder, dataDir] = [home(), home()]
    const path = legacy(folder, { OLD: base64('old value'), KEY: base64('old'), 'bad name': base64('x'), NUMBER: 5, BROKEN: '%%' })
    const before = readFileSync(path)
    const notices: string[] = []
    const vault = () => vaultIn(dataDir, { legacyPath: path, notice: (text) => notices.push(text) })
    await vaultIn(dataDir).set('KEY', new Secret('new'))
    expect(await revealed(vault().get('OLD'))).toBe('old value')
    expect(await revealed(vault().get('KEY'))).toBe('new')
    await vault().delete('OLD')
    expect(await vault().get('OLD')).toBeUndefined()
    expect(notices).toEqual([expect.stringContaining('1 secret of')])
    expect(notices.join()).not.toContain('old value')
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('may be written with times', async () => {
    const folder = home()
    const path = legacy(folder, { secrets: { OLD: { value: base64('v'), created_at: '2024-05-06T07:08:09Z' } } })
    const vault = vaultIn(home(), { legacyPath: path })
    expect(await vault.list()).toEqual([
      { name: 'OLD', backend: 'file', created_at: '2024-05-06T07:08:09.000Z', updated_at: '2024-05-06T07:08:09.000Z' },
    ])
  })

  test('that make no sense are no failure', async () => {
    for (const text of ['', '[]', '{"a":', 'null', '{"secrets":[]}']) {
      const vault = vaultIn(home(), { legacyPath: legacy(home(), text) })
      expect(await vault.list()).toEqual([])
    }
  })
})

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 5_000; !holds();) {
    if (Date.now() > end) throw new Error('not within 5 s')
    await Bun.sleep(10)
  }
}

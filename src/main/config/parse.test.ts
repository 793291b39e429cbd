import { describe, expect, test } from 'bun:test'
import { isAppError } from '../../contract/errors.ts'
import { parseConfig } from './parse.ts'

const FILE = 'agentkernel.toml'

function failureOf(toml: string): string {
  try {
    parseConfig(toml, FILE)
  } catch (error) {
    if (isAppError(error, 'config_invalid')) return error.message
    throw error
  }
  return 'no failure'
}

describe('a wrong value is told with file, line, key, what was expected and what was found', () => {
  const cases: readonly (readonly [name: string, toml: string, message: string])[] = [
    [
      'text for a number',
      '[sandbox]\n\n\n\n\n[resources]\nmemory_mb = "lots"',
      `${FILE}:7: resources.memory_mb: expected a whole number, found "lots"`,
    ],
    ['zero memory', '[resources]\nmemory_mb = 0', `${FILE}:2: resources.memory_mb: expected a whole number of at least 1, found 0`],
    ['half a core', 'resources.vcpus = 0.5', `${FILE}:1: resources.vcpus: expected a whole number from 1 to 4096, found 0.5`],
    ['no number', 'resources = { memory_mb = nan }', `${FILE}:1: resources.memory_mb: expected a whole number of at least 1, found NaN`],
    ['number for text', '[sandbox]\nname = 5', `${FILE}:2: sandbox.name: expected text, found 5`],
    ['text for a flag', '[security]\nnetwork = "yes"', `${FILE}:2: security.network: expected true or false, found "yes"`],
    [
      'unknown profile',
      '[security]\nprofile = "wide"',
      `${FILE}:2: security.profile: expected one of "permissive", "moderate", "restrictive", "custom", found "wide"`,
    ],
    ['value for a section', 'security = 1', `${FILE}:1: security: expected a table, found 1`],
    ['date for a section', 'security = 1979-05-27', `${FILE}:1: security: expected a table, found a date`],
    ['list for a section', '[[security]]', `${FILE}:1: security: expected a table, found a list`],
    ['text for a list', '[security.commands]\nblock = "rm"', `${FILE}:2: security.commands.block: expected a list of texts, found "rm"`],
    ['wrong element', '[security.commands]\nblock = [\n  "rm",\n  5,\n]', `${FILE}:4: security.commands.block[1]: expected text, found 5`],
    [
      'missing key of a list entry',
      '[[files]]\nsource = "a"\ndest = "b"\n[[files]]\nsource = "a"',
      `${FILE}:4: files[1].dest: missing; expected text`,
    ],
    [
      'bad variable name',
      '[environment]\n"A B" = "c"',
      `${FILE}:2: environment."A B": expected the name of an environment variable (letters, digits and _), found "A B"`,
    ],
    [
      'variable that no program can be given',
      `[environment]\nSHORT = "ä"\nBIG = "${'ä'.repeat(450_000)}"`,
      `${FILE}:3: environment.BIG: is 900004 bytes long with its name; the kernel gives a program at most 131071 (128 KiB)`,
    ],
    [
      'NUL in a value',
      '[environment]\nA = "b\\u0000"',
      `${FILE}:2: environment.A: expected text or a number or true or false, found "b\\u0000"`,
    ],
    [
      'terminal codes in a value',
      '[security]\nprofile = "\\u001b[2J\\u009b\\u202e"',
      `${FILE}:2: security.profile: expected one of "permissive", "moderate", "restrictive", "custom", found "\\u001b[2J\\u009b\\u202e"`,
    ],
    [
      'very long value',
      `[security]\nnetwork = "${'x'.repeat(5000)}"`,
      `${FILE}:2: security.network: expected true or false, found "${'x'.repeat(59)}…"`,
    ],
  ]
  for (const [name, toml, message] of cases) test(name, () => expect(failureOf(toml)).toBe(message))

  test('all of a file at once, in the order of the file', () => {
    expect(failureOf('[resources]\nvcpus = "a"\nmemory_mb = "b"').split('\n')).toEqual([
      `${FILE}:2: resources.vcpus: expected a whole number, found "a"`,
      `${FILE}:3: resources.memory_mb: expected a whole number, found "b"`,
    ])
  })

  test('but no more than a person reads', () => {
    const lines = failureOf(`[security.commands]\nblock = [\n${'1,\n'.repeat(50_000)}]`).split('\n')
    expect(lines).toHaveLength(11)
    expect(lines[10]).toBe(`${FILE}: and 49990 more of this kind`)
  })
})

describe('text that is not TOML is one sentence with line and column', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['unfinished header', '\n[resources\nvcpus = 1', `${FILE}:2:11: not valid TOML: illegal character in key`],
    ['key twice', 'a = 1\na = 2', `${FILE}:2:1: not valid TOML: trying to redefine an already defined table or value`],
    ['__proto__ as a key', '[sandbox]\n__proto__ = 1', `${FILE}:2:1: the names "__proto__" and "constructor" are not allowed as keys`],
    [
      '__proto__ deep inside',
      'remote = { a = { __proto__.b = 1 } }',
      `${FILE}:1:18: the names "__proto__" and "constructor" are not allowed as keys`,
    ],
  ]
  for (const [name, toml, message] of cases) test(name, () => expect(failureOf(toml)).toBe(message))

  test('deep nesting is refused, not a crash', () =>
    expect(failureOf(`a = ${'['.repeat(100_000)}`)).toMatch(/^agentkernel\.toml:1:\d+: not valid TOML: /))
})

describe('an unknown key is a warning and is left out', () => {
  const cases: readonly (readonly [name: string, toml: string, warning: string])[] = [
    ['a slip', '[sandbox]\nname = "x"\nbase_imag = "y"', `${FILE}:3: unknown key "sandbox.base_imag"; did you mean "sandbox.base_image"?`],
    ['a section', '\n[secruity]\nnetwork = false', `${FILE}:2: unknown key "secruity"; did you mean "security"?`],
    [
      'the right key in the wrong section',
      '[sandbox]\nmemory_mb = 5',
      `${FILE}:2: unknown key "sandbox.memory_mb"; did you mean "resources.memory_mb"?`,
    ],
    [
      'a key of a list entry',
      '[[files]]\nsource = "a"\ndest = "b"\nmod = "c"',
      `${FILE}:4: unknown key "files[0].mod"; did you mean "files[0].mode"?`,
    ],
    ['nothing like it', 'wxyz = 1', `${FILE}:1: unknown key "wxyz"`],
    ['terminal codes in a key', '"\\u001b[2J" = 1', `${FILE}:1: unknown key "\\u001b[2J"`],
    ['a name of Object', 'toString = 1', `${FILE}:1: unknown key "toString"`],
  ]
  for (const [name, toml, warning] of cases) {
    test(name, () => {
      const { file, warnings } = parseConfig(toml, FILE)
      expect(warnings).toEqual([warning])
      expect(JSON.stringify(file)).not.toContain('imag"')
    })
  }

  test('unknown keys are taken out, known ones stay', () => {
    const { file } = parseConfig('x = 1\n[sandbox]\nname = "a"\nnam = "b"\n[[files]]\nsource = "s"\ndest = "d"\nz = 1', FILE)
    expect(JSON.parse(JSON.stringify(file))).toEqual({ sandbox: { name: 'a' }, files: [{ source: 's', dest: 'd' }] })
  })

  test('a hundred thousand of them end in a number', () => {
    const toml = Array.from({ length: 100_000 }, (_, index) => `k${index} = 1`).join('\n')
    expect(parseConfig(toml, FILE).warnings).toHaveLength(11)
  })
})

test('a file with every section of the reference is accepted without a word', () => {
  const toml = `
    secret_files = ["POSTGRES_PASSWORD"]
    volumes = ["data:/data"]
    [sandbox]\nname = "a"\nruntime = "rust"\nbase_image = "b"\ninit_script = "c"
    [build]\ndockerfile = "D"\ncontext = "."\ntarget = "t"\nargs = { A = "b" }\nno_cache = true
    [agent]\npreferred = "claude"\ncompatibility_mode = "claude-code"\ngit_name = "n"\ngit_email = "e"
    [resources]\nvcpus = 2\nmemory_mb = 1024
    [network]\nvsock_cid = 7\nports = ["8080:80", "53/udp"]\n[[network.git]]\nhost = "git.example.com"\nrepos = ["org/*"]\npush = ["agent/*"]\nforce = false\ndelete = true
    [security]\nprofile = "custom"\nnetwork = true\nseccomp = "./s.json"\nmin_isolation = "vm"\nmin_network = "listed"
    [security.domains]\nallow = ["*.example.com"]\nblock = []\nallowlist_only = true
    [security.transport]\nvault_addr = "v"\nrequire_encrypted = true
    [ssh]\nenabled = true\nport = 22\ncert_ttl = "30m"
    [[files]]\nsource = "a"\ndest = "/b"\nmode = "0600"
    [api]\napi_key = "k"\n[api.tls]\nenabled = true
    [orchestrator]\nprovider = "nomad"\nnode_selector = { a = "b" }\nwarm_pool_size = 1
    [enterprise]\nenabled = true\noffline_mode = "fail_closed"\n[enterprise.trust_anchors]\nkeys = ["k"]
    [[proxy.hooks]]\nname = "h"\nevent = "on_request"\ntarget = { type = "webhook", url = "https://hooks.example.com" }
    [secrets]\nbackend = "file"\nA = "host"\nB = { host = "h", header = "x" }
    [llm_keys]\n"api.example.com" = "k"
    [[schedule]]\nname = "s"\ncron = "0 * * * *"\norchestration = "o"\ninput = { a = [1, "b"] }
    [template]\ndescription = "d"\ncategory = "c"\nhelp_text = "h"
    [ports]\n8080 = 80
    [environment]\nA = "b"\nPORT = 8080\nDEBUG = true
    [permissions]\nanything = { goes = 1 }
    [git]\nworktree = true
    [remote.daytona]\nkey = "x"
  `
  expect(parseConfig(toml, FILE).warnings).toEqual([])
})

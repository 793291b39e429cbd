/** What secrets look like: shapes of tokens, and names that announce one. Data for `redact.ts`. */

/** Tokens that say what they are. A letter or digit before the shape means that it is a part of some other word. */
export const TOKEN_SHAPES: readonly RegExp[] = [
  /(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{16,}/g, // OpenAI, Anthropic and many others
  /(?<![A-Za-z0-9])(?:sk|rk|whsec)_(?:live_|test_)?[A-Za-z0-9]{16,}/g, // Stripe
  /(?<![A-Za-z0-9])gh[opsur]_[A-Za-z0-9]{16,}/g, // GitHub
  /(?<![A-Za-z0-9])github_pat_[A-Za-z0-9_]{16,}/g,
  /(?<![A-Za-z0-9])gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-[A-Za-z0-9_.-]{16,}/g, // GitLab
  /(?<![A-Za-z0-9])A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])/g, // AWS key ids
  /(?<![A-Za-z0-9])xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{8,}/g, // Slack
  /(?<![A-Za-z0-9])xapp-[A-Za-z0-9-]{8,}/g,
  /(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{30,}/g, // Google
  /(?<![A-Za-z0-9])ya29\.[A-Za-z0-9_-]{16,}/g,
  /(?<![A-Za-z0-9])npm_[A-Za-z0-9]{20,}/g,
  /(?<![A-Za-z0-9])hf_[A-Za-z0-9]{16,}/g, // Hugging Face
  /(?<![A-Za-z0-9])pypi-[A-Za-z0-9_-]{32,}/g,
  /(?<![A-Za-z0-9])do[op]_v1_[a-f0-9]{32,}/g, // DigitalOcean
  /(?<![A-Za-z0-9])hv[bsr]\.[A-Za-z0-9_-]{16,}/g, // Vault
  /(?<![A-Za-z0-9])SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}/g, // SendGrid
  /(?<![A-Za-z0-9])AGE-SECRET-KEY-1[A-Z0-9]{16,}/g,
  /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*/g, // JWT
]

/** Every shape above holds at least so many such characters in a row. */
export const TOKEN_LENGTH = /[A-Za-z0-9_.-]{12}/

/** What must be in a text for any of the patterns below to match: something between a name and its value. */
export const NAME_AND_VALUE = /[=:\s]/

/** Endings of names whose value is a secret whatever it looks like: `--db-password`, `GITHUB_TOKEN`, `clientSecret`. Not `PWD`. */
const NAME_END = String.raw`(?:password|passwd|passphrase|passcode|secret|token|credentials?|(?<=[_.-])pass|(?<=[A-Za-z0-9][_.-]?)(?<!old)pwd|(?:api|access|secret|private|auth|account|encryption|signing|master)[_.-]?key)`
/** Names that often carry something harmless; their value counts only when it looks random. */
const WEAK_NAME = String.raw`(?<![A-Za-z0-9])(?:key|auth|pass|sig|signature|session|session[_-]?id|sid|sas|code|jwt|salt|nonce|hmac|pat)`
/** A value: quoted, quoted inside quotes, or one word. A quote that is never closed takes the rest. */
const VALUE = String.raw`(?:\\"[^"]*(?:"|$)|"(?:[^"\\]|\\[\s\S])*(?:"|\\?$)|'[^']*(?:'|$)|[^\s"'&;,|)}]+)`
const EQUALS = String.raw`\\?["']?[ \t]{0,2}[=:][ \t]{0,2}`

// What is kept is group 1. Each pattern begins with something that cannot repeat inside its own match, and repeats are bounded or
// end at a character they exclude, so that a megabyte of hostile text costs one scan.

/** `PASSWORD=x`, `"token": "x"`, `?api_key=x` anywhere in a text. */
export const ASSIGNMENT = new RegExp(`(${NAME_END}${EQUALS})${VALUE}`, 'gi')
/** `key=Zx81…`, if the value looks random. */
export const WEAK_ASSIGNMENT = new RegExp(String.raw`(${WEAK_NAME}${EQUALS}\\?["']?)([A-Za-z0-9+/=_.~-]{16,})`, 'gi')
/** `--password x` inside a longer text. */
export const OPTION_AND_VALUE = new RegExp(String.raw`(?<![\w.-])(--?[\w.-]{0,80}?${NAME_END}[ \t]+)(?!-)${VALUE}`, 'gi')
/** An argument that is `--password`, whose value is the next argument. */
export const SECRET_OPTION = new RegExp(String.raw`^--?[\w.-]{0,80}?${NAME_END}$`, 'i')
/** An argument that is wholly `--password=…` or, without a space, `PASSWORD=…`: then no character ends the value. */
export const WHOLE_ASSIGNMENT = new RegExp(
  String.raw`^(--?[\w.-]{0,80}?${NAME_END}=(?=[\s\S])|[\w.-]{0,80}?${NAME_END}=(?=\S+$))[\s\S]+`,
  'i',
)

export const USER_INFO = /:\/\/(?!git@)[^\s/'"<>]+@/g
export const PRIVATE_KEY =
  /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|$)/g
/** A header that carries a secret, up to the end of its line or quotes; the scheme stays. */
export const HEADER =
  /(?<![\w-])((?:(?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]{0,40}(?:key|token|secret)|(?:private|job|deploy)-token)["']?[ \t]{0,4}[:=][ \t]{0,4}["']?(?:(?:bearer|basic|digest|token|apikey|negotiate)[ \t]+)?)[^\r\n"']+/gi
export const BEARER = /(?<![\w-])(bearer[ \t]+)[A-Za-z0-9+/=._~-]{8,}/gi
/** Group 2 is the base64 of a login, if it is one. */
export const BASIC = /(?<![\w-])(basic[ \t]+)([A-Za-z0-9+/=_-]{8,})/gi

/** Programs whose `-p` is a password: given in the same argument, and for sshpass also in the next. */
const PASSWORD_IN_P = /^(?:sshpass|mysql|mysqldump|mysqladmin|mysqlimport|mysqlshow|mariadb|mariadb-dump|mariadb-admin)$/

export function isPasswordOption(program: string, option: string): boolean {
  return option === '-p' && PASSWORD_IN_P.test(program)
}

/** Of several kinds of characters and with few repeats, and not a path: made by a generator, not by a person. */
export function looksRandom(value: string): boolean {
  const sample = value.slice(0, 256)
  if (/^[./~]/.test(sample)) return false
  const kinds = [/[a-z]/, /[A-Z]/, /\d/].filter((kind) => kind.test(sample)).length
  return kinds >= 2 && bitsPerCharacter(sample) >= 3
}

/** Shannon entropy of the characters: about 2.6 for a short word, 3.8 for random hex, 5 and more for random base64. */
function bitsPerCharacter(text: string): number {
  const counts = new Map<string, number>()
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length)
  return bits
}

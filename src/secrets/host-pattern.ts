import { domainToASCII } from 'node:url'

/**
 * Where a secret may go: `api.example.com`, `*.example.com` (also example.com itself), a literal IPv4 address, each with `:PORT`; without
 * one it is 443. Text in, canonical text out; what it means is `hostMatches`.
 */
export interface HostPattern {
  /** Lower case, ASCII, without `*.` and final dot. */
  readonly name: string
  readonly below: boolean
  readonly port: number
}

const DEFAULT_PORT = 443
const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/
const ADDRESS = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/

/**
 * Names under which anybody can have a name of their own: a wildcard there gives the secret to strangers. Of the many there are, those that
 * developers meet; every name of one label is one as well.
 */
const SHARED = new Set(
  `co.uk org.uk ac.uk gov.uk com.au net.au org.au co.jp ne.jp or.jp co.kr com.br com.cn net.cn org.cn com.tw com.hk com.sg co.in co.nz co.za
com.mx com.ar com.tr co.il github.io githubusercontent.com gitlab.io pages.dev workers.dev vercel.app netlify.app herokuapp.com fly.dev
onrender.com railway.app web.app firebaseapp.com appspot.com run.app cloudfunctions.net amazonaws.com s3.amazonaws.com execute-api.amazonaws.com
cloudfront.net elasticbeanstalk.com azurewebsites.net blob.core.windows.net core.windows.net cloudapp.azure.com azurestaticapps.net
trycloudflare.com ngrok.io ngrok.app ngrok-free.app loca.lt surge.sh glitch.me repl.co replit.dev deno.dev ts.net sslip.io nip.io`.split(
    /\s+/,
  ),
)

/** Undefined for a text that is no pattern; `problem` for one that is refused. */
export function parseHostPattern(text: string): HostPattern | { readonly problem: string } {
  const port = /:(\d{1,5})$/.exec(text)
  const number = port === null ? DEFAULT_PORT : Number(port[1])
  if (number < 1 || number > 65_535) return { problem: 'its port is not from 1 to 65535' }
  const written = port === null ? text : text.slice(0, port.index)
  if (written === '*' || written === '*.') return { problem: 'it stands for every host' }
  const below = written.startsWith('*.')
  const name = normalHost(below ? written.slice(2) : written)
  if (name === undefined) return { problem: written === '' ? 'it is empty' : 'it is not the name of a host' }
  if (below && (ADDRESS.test(name) || !name.includes('.') || SHARED.has(name))) {
    return { problem: `it is too wide: anybody can have a name below "${name}"` }
  }
  return { name, below, port: number }
}

export function formatHostPattern({ name, below, port }: HostPattern): string {
  return `${below ? '*.' : ''}${name}${port === DEFAULT_PORT ? '' : `:${port}`}`
}

/** `host` as the gateway has it: lower case, ASCII, without final dot. */
export function hostMatches(pattern: HostPattern, host: string, port: number): boolean {
  if (port !== pattern.port) return false
  return host === pattern.name || (pattern.below && host.endsWith(`.${pattern.name}`))
}

/** True for a text that can only be meant as a host: with a dot or a wildcard, or a comma-separated list of such. */
export function looksLikeHosts(text: string): boolean {
  return text !== '' && text.split(',').every((host) => /^(?:\*\.)?[\p{L}\p{N}_-]+(?:\.[\p{L}\p{N}_-]+)+\.?$/u.test(host))
}

function normalHost(written: string): string | undefined {
  if (/[\s%/@:?#\\[\]*]/.test(written)) return undefined
  const ascii = (/^[\x21-\x7e]*$/.test(written) ? written : domainToASCII(written)).toLowerCase().replace(/\.$/, '')
  if (ADDRESS.test(ascii)) return ascii
  const labels = ascii.split('.')
  // A last label that is a number makes an address of it, however odd.
  if (ascii.length > 253 || !labels.every((label) => LABEL.test(label)) || /^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1)!)) return undefined
  return ascii
}

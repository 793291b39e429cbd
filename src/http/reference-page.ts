import { createHash } from 'node:crypto'
import { openApi } from './openapi.ts'

type Json = Readonly<Record<string, unknown>>

const STYLE = `:root{color-scheme:light dark;--line:#8884;--soft:#8882;--accent:#2563eb}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{margin-bottom:0}h2{margin-top:2.5rem;border-bottom:1px solid var(--line)}
details{border:1px solid var(--line);border-radius:6px;margin:.4rem 0;padding:.4rem .7rem}
summary{cursor:pointer;overflow-wrap:anywhere}summary b{display:inline-block;min-width:4.2rem;color:var(--accent)}
summary span{opacity:.7}code,pre{font:13px/1.45 ui-monospace,monospace}pre{background:var(--soft);padding:.6rem;overflow:auto;border-radius:4px}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2rem .6rem .2rem 0;vertical-align:top;border-bottom:1px solid var(--line)}
nav a{margin-right:1rem}`

/** Nothing but the one style sheet below: no script, no picture, no address of anybody's. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** The description of the API as one page that needs nothing else. */
export function referencePage(version: string): Response {
  return new Response(html(openApi(version)), {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': POLICY,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    },
  })
}

function html(api: Json): string {
  const info = member(api, 'info')
  const tags = list(api['tags']).map((tag) => text(tag['name']))
  const operations = Object.entries(member(api, 'paths')).flatMap(([path, methods]) =>
    Object.entries(methods as Json).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation: operation as Json })),
  )
  const sections = tags.map((tag) => {
    const rows = operations.filter(({ operation }) => list(operation['tags']).includes(tag as never))
    return `<h2 id="${escape(tag)}">${escape(tag)}</h2>\n${rows.map(operationHtml).join('\n')}`
  })
  const schemas = Object.entries(member(member(api, 'components'), 'schemas'))
    .map(([name, schema]) => `<details id="schema-${escape(name)}"><summary>${escape(name)}</summary>${pre(schema)}</details>`)
    .join('\n')
  const later = list(api['x-not-available-yet'])
    .map(
      (route) =>
        `<tr><td><code>${escape(`${text(route['method'])} ${text(route['path'])}`)}</code></td><td>${escape(text(route['feature']))}</td></tr>`,
    )
    .join('')
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>agentkernel API</title><style>${STYLE}</style></head><body>
<h1>agentkernel API</h1>
<p>Version ${escape(text(info['version']))}. ${prose(text(info['description']))} <a href="/openapi.json">OpenAPI 3.1</a></p>
<nav>${[...tags, 'Schemas'].map((tag) => `<a href="#${escape(tag)}">${escape(tag)}</a>`).join('')}</nav>
${sections.join('\n')}
<h2 id="Schemas">Schemas</h2>
${schemas}
<h2>With a later release</h2>
<p>These answer 501 <code>not_available_yet</code>.</p>
<table>${later}</table>
</body></html>
`
}

function operationHtml({ path, method, operation }: { path: string; method: string; operation: Json }): string {
  const parameters = list(operation['parameters'])
  const body = operation['requestBody']
  const success = Object.entries(member(operation, 'responses')).find(([status]) => status !== 'default' && Number(status) < 300)
  return `<details><summary><b>${method}</b> <code>${escape(path)}</code> <span>${escape(text(operation['summary']))}</span></summary>
${parameters.length === 0 ? '' : `<table><tr><th>parameter</th><th>in</th><th>meaning</th></tr>${parameters.map(parameterHtml).join('')}</table>`}
${body === undefined ? '' : `<p>Body</p>${pre((body as Json)['content'])}`}
${success === undefined ? '' : `<p>Answer ${escape(success[0])}</p>${pre(success[1])}`}</details>`
}

function parameterHtml(parameter: Json): string {
  const schema = member(parameter, 'schema')
  const meaning = [
    parameter['description'],
    schema['enum'],
    schema['default'] === undefined ? undefined : `default ${text(schema['default'])}`,
  ]
  const shown = meaning.flatMap((part) => (part === undefined ? [] : [Array.isArray(part) ? part.join(', ') : text(part)])).join('; ')
  const required = parameter['required'] === true ? ' (required)' : ''
  return `<tr><td><code>${escape(text(parameter['name']))}</code>${required}</td><td>${escape(text(parameter['in']))}</td><td>${escape(shown)}</td></tr>`
}

const member = (value: Json, name: string): Json => (value[name] ?? {}) as Json
const list = (value: unknown): readonly Json[] => (Array.isArray(value) ? (value as readonly Json[]) : [])
const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value ?? ''))
const pre = (value: unknown): string => `<pre>${escape(JSON.stringify(value, null, 2))}</pre>`
const escape = (value: string): string => value.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
/** Text in which backquotes mean code. */
const prose = (value: string): string => escape(value).replace(/`([^`]*)`/g, '<code>$1</code>')

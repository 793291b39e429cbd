import { describe, expect, test } from 'bun:test'
import type { Operation } from '../contract/operation.ts'
import { OPERATIONS } from '../contract/operations.ts'
import { openApi } from './openapi.ts'
import { referencePage } from './reference-page.ts'

type Json = Readonly<Record<string, unknown>>
const api = openApi('1.2.3')
const paths = api['paths'] as Readonly<Record<string, Readonly<Record<string, Json>>>>

/** Every member called `$ref`, wherever it is. */
function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, member]) => (key === '$ref' ? [String(member)] : references(member)))
}
const resolve = (reference: string): unknown =>
  reference
    .slice(2)
    .split('/')
    .reduce<unknown>((at, key) => (at as Json | undefined)?.[key], api)

describe('the description of the API', () => {
  test('has every operation that HTTP reaches, under its name', () => {
    for (const [name, { http, summary }] of Object.entries<Operation>(OPERATIONS)) {
      if (http === undefined) continue
      const described = paths[http.path]?.[http.method.toLowerCase()]
      expect([name, described?.['operationId'], described?.['summary']]).toEqual([name, name, summary])
    }
  })

  test('refers to nothing that it does not have', () => {
    const all = [...new Set(references(api))]
    expect(all.length).toBeGreaterThan(10)
    expect(all.filter((reference) => resolve(reference) === undefined)).toEqual([])
  })

  test('declares every parameter of an address', () => {
    for (const [path, methods] of Object.entries(paths)) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
      for (const operation of Object.values(methods)) {
        const declared = ((operation['parameters'] ?? []) as readonly Json[])
          .filter((each) => each['in'] === 'path')
          .map((each) => each['name'])
        expect([path, declared]).toEqual([path, inPath])
      }
    }
  })

  test('asks for a key everywhere but at /health', () => {
    expect(api['security']).toEqual([{ key: [] }])
    const open = Object.entries(paths).filter(([, methods]) => Object.values(methods).some((operation) => 'security' in operation))
    expect(open.map(([path]) => path)).toEqual(['/health'])
  })

  test('closes no object to members of later releases', () => {
    expect(JSON.stringify(api)).not.toContain('"additionalProperties":false')
  })

  test('says what comes later', () => {
    expect(api['x-not-available-yet']).toContainEqual({ method: 'GET', path: '/snapshots', feature: 'snapshots' })
  })
})

describe('the reference page', () => {
  const response = referencePage('1.2.3')

  test('needs nothing but itself, and its policy allows nothing else', async () => {
    const page = await response.clone().text()
    expect(page).not.toMatch(/<script|<link|<img|<iframe|javascript:|\son\w+=/i)
    expect(page.match(/(?:src|href)="(?!#|\/openapi\.json)[^"]*"/g)).toBeNull()
    const policy = response.headers.get('content-security-policy') ?? ''
    const style = /<style>([\s\S]*?)<\/style>/.exec(page)?.[1] ?? ''
    const hash = new Bun.CryptoHasher('sha256').update(style).digest('base64')
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain(`style-src 'sha256-${hash}'`)
    expect(page).not.toContain(' style="')
  })

  test('shows every address, and text of the description as text', async () => {
    const page = await response.clone().text()
    for (const path of Object.keys(paths)) expect(page).toContain(`<code>${path}</code>`)
    const [, body] = page.split('</style>')
    expect(body!.replace(/<\/?(?:head|body|h1|h2|p|nav|a|details|summary|b|code|span|pre|table|tr|td|th|html)\b[^<>]*>/g, '')).not.toMatch(
      /[<>]/,
    )
  })
})

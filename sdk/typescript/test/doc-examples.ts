import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as sdk from '../src/index.ts'

const ROOT = join(import.meta.dir, '../../..')

/** One example of a page, as a module that can be compiled and run. */
export interface DocExample {
  /** Page and line of the fence. */
  readonly name: string
  readonly code: string
  /** False for what needs a feature of a later release, or does not end. */
  readonly runs: boolean
}

/** The examples of a page; `typescript later` after the fence's ticks marks those that cannot be run. */
export function docExamples(page: string): DocExample[] {
  const text = readFileSync(join(ROOT, page), 'utf8')
  return [...text.matchAll(/^```typescript( later)?\n([\s\S]*?)^```$/gm)].map(([, later, code], at) => {
    const line = text.slice(0, text.indexOf(code ?? '')).split('\n').length
    return {
      name: `${page.replaceAll(/\W/g, '-')}-${String(at + 1).padStart(2, '0')}-line-${line}`,
      code: asModule(code ?? ''),
      runs: later === undefined,
    }
  })
}

/** What the page says each example has: the package's names, and a client. */
function asModule(code: string): string {
  const imported =
    /^import \{([^}]*)\} from 'agentkernel'/m
      .exec(code)?.[1]
      ?.split(',')
      .map((name) => name.trim()) ?? []
  const names = Object.keys(sdk).filter((name) => !imported.includes(name))
  const client = /^const client\b/m.test(code) ? '' : 'const client = new AgentKernel()\n'
  return `import { ${names.join(', ')} } from 'agentkernel'\n${client}${code}\nexport {}\n`
}

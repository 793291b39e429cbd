import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'bun:test'
import { generatedFiles } from './support/generated-files.ts'

describe('generated files', () => {
  for (const [path, text] of Object.entries(generatedFiles())) {
    test(`${path} is what \`npm run gen\` writes`, () => {
      expect(readFileSync(join(import.meta.dir, '..', path), 'utf8') === text).toBe(true)
    })
  }
})

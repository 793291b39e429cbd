/** Writes every generated file of the source tree. A test compares each with what this would write. */
import { join } from 'node:path'
import { generatedFiles } from '../test/support/generated-files.ts'

const root = join(import.meta.dir, '..')
for (const [path, text] of Object.entries(generatedFiles())) {
  await Bun.write(join(root, path), text)
  process.stdout.write(`${path}\n`)
}

import { describe, expect, test } from 'bun:test'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { inFolder } from './store-kit.ts'

const WRITER = join(import.meta.dir, 'store-writer.ts')
/** A disk of its own for one command, which needs a namespace of mounts. */
const SCRIPT = `set -eu
mount -t tmpfs -o size=600k,mode=0700 none "$1"
head -c 200000 /dev/zero > "$1/ballast"
# What the writer says goes on; when the disk is full there is room again, and it is told so.
mkfifo "$2"
"$3" "$4" "$1/sandboxes.db" fill < "$2" | {
  exec 3> "$2"
  while read -r line; do
    echo "$line"
    case $line in *_*) rm "$1/ballast" && echo go >&3 ;; esac
  done
}
ls "$1" | tr '\\n' ' '
`
const ways = [
  ['unshare', '-m'],
  ['unshare', '-rm'],
] as const
const way = ways.find((words) => Bun.spawnSync([...words, 'sh', '-c', 'mount -t tmpfs none /mnt'], { stderr: 'ignore' }).exitCode === 0)

describe('a store on a full disk', () => {
  const title = 'fails as disk_full, keeps what it had, and goes on once there is room'
  const body = async (): Promise<void> => {
    await inFolder(async (folder) => {
      const disk = join(folder, 'disk')
      mkdirSync(disk)
      const child = Bun.spawn([...way!, 'sh', '-c', SCRIPT, 'sh', disk, join(folder, 'pipe'), process.execPath, WRITER], {
        stdout: 'pipe',
        stderr: 'pipe',
      })
      const [said, problems] = await Promise.all([child.stdout.text(), child.stderr.text()])
      expect([problems, await child.exited]).toEqual(['', 0])
      const words = said.trim().split(/\s+/)
      const full = words.indexOf('disk_full')
      expect(words.slice(0, full)).toEqual(Array.from({ length: full }, (_, index) => `s${index}`))
      expect(full).toBeGreaterThan(5)
      expect(words.slice(full + 1)).toEqual(['after', String(full + 1), 'sandboxes.db'])
    })
  }
  if (way === undefined) test.skip(`${title} (this user may not mount a file system in a namespace)`, () => undefined)
  else test(title, body, 60_000)
})

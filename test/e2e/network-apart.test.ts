import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { labProblem, type NetworkLab, startLab } from '../support/lab/network-lab.ts'
import { LabUser } from './lab-user.ts'

setDefaultTimeout(60_000)

const problem = labProblem()
const NAME = 'api.lab.test'

describe.skipIf(problem !== undefined)(`sandboxes side by side${problem === undefined ? '' : ` (skipped: ${problem})`}`, () => {
  let lab: NetworkLab
  let user: LabUser
  beforeAll(async () => {
    lab = await startLab()
    user = new LabUser(lab)
  })
  afterAll(async () => {
    await user.dispose()
    await lab.close()
  })

  /** A shell line in a sandbox: what it wrote, whatever its exit status. */
  const inside = async (box: string, text: string, ...flags: readonly string[]): Promise<string> =>
    (await user.ak(['exec', box, ...flags, '--', 'sh', '-c', text])).stdout
  const connectTo = (address: string): string =>
    `curl -s -m 8 -o /dev/null -w '%{http_code} ' -H 'Host: ${NAME}' http://${address}/echo; echo "$?"`

  test('S44 the address that a name has in one sandbox leads nowhere in another, nor for a command with a network of its own', async () => {
    await user.out(['sandbox', 'create', 'wide', '--network', 'listed', '--allow', NAME, '--allow', 'other.lab.test'])
    await user.out(['sandbox', 'create', 'narrow', '--network', 'public'])
    const address = (await inside('wide', `getent ahostsv4 ${NAME}`)).split(' ')[0]!
    expect(address).toStartWith('198.18.1.')
    // 7: the connection was refused.
    expect(await inside('narrow', connectTo(address))).toBe('000 7\n')
    expect(await inside('wide', connectTo(address), '--allow', 'other.lab.test')).not.toStartWith('200')
    expect(await inside('wide', connectTo(address))).toBe('200 0\n')
  })

  test('S48 a secret of one sandbox is of no use in another, whatever it says', async () => {
    const value = 'value-of-the-one-0123456789'
    await user.ak(['sandbox', 'create', 'owner', '-S', `KEY:${NAME}`, '--placeholder-secrets'], { env: { KEY: value } })
    await user.out(['sandbox', 'create', 'thief', '-S', 'OTHER=-:other.lab.test', '--allow', NAME, '--placeholder-secrets'], {
      stdin: 'another-value-0123456789',
    })
    const token = (await inside('owner', 'echo "$KEY"')).trim()
    expect(token).toStartWith('AGENTKERNEL_PLACEHOLDER_')
    await inside('owner', `curl -s https://${NAME}/echo?owner -H "X-Key: $KEY"`)
    await inside('thief', `curl -s https://${NAME}/echo?thief -H 'X-Key: ${token}'; curl -s http://${NAME}/echo?thief -H 'X-Key: ${token}'`)
    const seen = (mark: string): string[] => lab.requests().filter((line) => line.includes(`?${mark}`))
    expect(seen('owner').filter((line) => line.includes(value))).toHaveLength(1)
    expect(seen('thief').filter((line) => line.includes(value))).toEqual([])
  })
})

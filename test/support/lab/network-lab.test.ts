import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { labProblem, type NetworkLab, startLab } from './network-lab.ts'

const problem = labProblem()
describe.skipIf(problem !== undefined)(`the network lab${problem === undefined ? '' : ` (skipped: ${problem})`}`, () => {
  let lab: NetworkLab
  beforeAll(async () => {
    lab = await startLab()
  })
  afterAll(() => lab.close())

  const near = (...command: string[]): string => Bun.spawnSync([...lab.near, ...command]).stdout.toString()

  test('its near side reaches its servers over HTTPS with their own authority', () => {
    const reply = JSON.parse(near('curl', '-s', '-m', '5', 'https://api.lab.test/echo', '-d', 'hello'))
    expect(reply).toMatchObject({ host: 'api.lab.test', method: 'POST', body: 'hello', httpVersion: '2.0' })
    expect(lab.requests().length).toBeGreaterThan(0)
  })

  test('it has private addresses, a metadata service and names that change', () => {
    expect(near('curl', '-s', '-m', '5', 'http://private.lab.test/echo')).toContain('private.lab.test')
    expect(near('curl', '-s', '-m', '5', 'http://169.254.169.254/echo')).toContain('169.254')
    expect(near('getent', 'ahostsv4', '44-44-44-11.dns.test')).toContain('44.44.44.11')
  })
})

import { describe, expect, test } from 'bun:test'
import type { NetworkView } from '../driver.ts'
import { egressOf, networkNotices, networkPart, networkSteps, tunFinding } from './network.ts'

const NETWORK: NetworkView = { files: [{ path: '/etc/ssl/certs/ca-certificates.crt', hostPath: '/data/ca/bundle.pem' }], env: {} }
const refusedDevice = { network: 'proxy', step: 'tun', errno: 13, detail: 'open /dev/net/tun: permission denied' } as const
const missingDevice = { network: 'proxy', step: 'tun', errno: 2, detail: 'open /dev/net/tun: no such file or directory' } as const

describe('the network of a plan', () => {
  test('is always said: a helper that does not know the word refuses', () => {
    expect(networkPart(undefined)).toEqual({ network: { egress: false, tun: false } })
    expect(networkPart(NETWORK)).toEqual({ network: { egress: true, tun: true } })
    expect(networkPart({ ...NETWORK, tun: false })).toEqual({ network: { egress: true, tun: false } })
    expect(networkPart({ ...NETWORK, tun: true })).toEqual({ network: { egress: true, tun: true } })
  })

  test('shows who answers for names, and the given files', () => {
    expect(networkSteps(undefined)).toEqual([])
    const [names, ...files] = networkSteps(NETWORK)
    expect(names).toMatchObject({ kind: 'file', target: 'etc/resolv.conf', data: expect.stringContaining('nameserver 198.18.0.1\n') })
    expect(files).toEqual([{ kind: 'cover', source: '/data/ca/bundle.pem', target: 'etc/ssl/certs/ca-certificates.crt' }])
  })
})

describe('what a sandbox got', () => {
  test('is told by the helper', () => {
    expect(egressOf([], undefined)).toBe('none')
    expect(egressOf([refusedDevice], undefined)).toBe('none')
    expect(egressOf([{ ended: 'exited', code: 0 }], NETWORK)).toBe('enforced')
    expect(egressOf([refusedDevice, { ended: 'exited', code: 0 }], NETWORK)).toBe('proxy')
  })

  test('is a notice with the fix where it is less than was asked for', () => {
    expect(networkNotices([refusedDevice], NETWORK)).toEqual([expect.stringContaining('sudo chmod 666 /dev/net/tun')])
    expect(networkNotices([missingDevice], NETWORK)).toEqual([expect.stringContaining('sudo modprobe tun')])
    expect(networkNotices([{ ended: 'exited' }], NETWORK)).toEqual([])
    expect(networkNotices([refusedDevice], { ...NETWORK, tun: false })).toEqual([])
    expect(networkNotices([refusedDevice], undefined)).toEqual([])
  })
})

test('doctor looks by opening the device', () => {
  const finding = tunFinding()
  expect(finding.check).toBe('network device')
  if (finding.status === 'ok') expect(finding.fix).toBeUndefined()
  else expect(finding.fix).toMatch(/chmod 666|modprobe/)
})

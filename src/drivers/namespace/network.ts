import { closeSync, constants, openSync } from 'node:fs'
import { GATEWAY_ADDRESS } from '../../contract/network.ts'
import { isErrno } from '../../lib/errno.ts'
import { ignore } from '../../lib/ignore.ts'
import type { Finding, NetworkView, SandboxEgress, SecretFile } from '../driver.ts'
import type { StatusLine } from '../shared/status-lines.ts'
import type { LaunchPlan, StageStep } from './plan.ts'

/** The host's network device maker. */
const TUN_DEVICE = '/dev/net/tun'
const EACCES = 13
const EPERM = 1

/** Names are looked up at the gateway, which answers at once or not at all. */
const RESOLV_CONF = `nameserver ${GATEWAY_ADDRESS}\noptions timeout:5 attempts:2\n`

/** The part of a plan that gives a sandbox its way out, or none; `ports`: some are published. */
export function networkPart(network: NetworkView | undefined, ports = false): Pick<LaunchPlan, 'network'> {
  return { network: { egress: network !== undefined, tun: network?.tun ?? network !== undefined, ...(ports ? { ports } : {}) } }
}

/** The steps that show what programs need to use the network: who answers for names, and the files of `network`. They come last. */
export function networkSteps(network: NetworkView | undefined): StageStep[] {
  if (network === undefined) return []
  return [
    { kind: 'file', target: 'etc/resolv.conf', data: RESOLV_CONF, mode: 0o644 },
    ...network.files.map(({ path, hostPath }) => ({ kind: 'cover', source: hostPath, target: path.slice(1) }) as const),
  ]
}

/** The steps that show secrets as files: they exist in the sandbox's own memory only. */
export function secretFileSteps(files: readonly SecretFile[] = []): StageStep[] {
  const folders = new Set(files.flatMap(({ path }) => foldersOf(path.slice(1))))
  return [
    ...[...folders].map((target) => ({ kind: 'dir', target, mode: 0o755 }) as const),
    ...files.map(
      ({ path, content }) => ({ kind: 'file', target: path.slice(1), data: content.reveal(), mode: 0o400, owned: true }) as const,
    ),
  ]
}

/** `a/b/c` is in `a` and `a/b`. */
function foldersOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

/** How a sandbox reaches the gateway after all, by what was reported while it started. */
export function egressOf(lines: readonly StatusLine[], network: NetworkView | undefined): SandboxEgress {
  if (network === undefined) return 'none'
  return lines.some((line) => line.network === 'proxy') ? 'proxy' : 'enforced'
}

/** What the user should know of a network without a device; nothing where none was asked for. */
export function networkNotices(lines: readonly StatusLine[], network: NetworkView | undefined): string[] {
  const line = lines.find(({ network: how }) => how === 'proxy')
  if (line === undefined || network === undefined || network.tun === false) return []
  return [
    `only programs that use a proxy (HTTP_PROXY) reach the network, because no network device could be made: ${line.detail ?? 'unknown reason'}; ${fixFor(line.errno)}.`,
  ]
}

const fixFor = (errno: number | undefined): string =>
  errno === EACCES || errno === EPERM ? `to mend it: sudo chmod 666 ${TUN_DEVICE}` : 'to mend it: sudo modprobe tun'

/** Tries whether sandboxes can have a network device. */
export function tunFinding(): Finding {
  const check = 'network device'
  try {
    closeSync(openSync(TUN_DEVICE, constants.O_RDWR | constants.O_NONBLOCK))
    return { check, status: 'ok', detail: `${TUN_DEVICE} opens; every program in a sandbox can use the network that it is given` }
  } catch (error) {
    ignore(error, 'it is what the finding says')
    const why = isErrno(error, 'EACCES', 'EPERM') ? 'we may not open it' : 'it is not there'
    const weak = 'in a sandbox with a network only programs that use a proxy (HTTP_PROXY) reach it'
    const fix = isErrno(error, 'EACCES', 'EPERM') ? `sudo chmod 666 ${TUN_DEVICE}` : 'sudo modprobe tun'
    return { check, status: 'warning', detail: `${TUN_DEVICE}: ${why}; ${weak}`, fix }
  }
}

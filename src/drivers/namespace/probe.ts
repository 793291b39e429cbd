import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isAppError } from '../../contract/errors.ts'
import { ignore } from '../../lib/ignore.ts'
import { createPipe } from '../../lib/pipe.ts'
import type { Driver, Finding, ProbeReport, RunSpec } from '../driver.ts'
import type { CgroupFinder } from './cgroup-finder.ts'
import { RunCgroup } from './cgroup.ts'
import type { NamespaceDriverOptions } from './machine.ts'
import { tunFinding } from './network.ts'

/** How long the trial sandbox may take, in ms. */
const TRIAL_MS = 10_000
const TRIAL_MEMORY = 256 * 1024 * 1024
/** Prints what holds inside: seccomp mode, no_new_privs, and that the copy of the project can be written. */
const TRIAL_SCRIPT = 'grep -E "^(Seccomp|NoNewPrivs|CapBnd):" /proc/self/status; cat in && echo written > out && echo wrote'

export interface ProbeInput {
  readonly options: NamespaceDriverOptions
  readonly driver: Driver
  readonly cgroups: Pick<CgroupFinder, 'roots' | 'scopeFailure'>
  readonly signal: AbortSignal
}

/** Tries everything a run needs, the sandbox itself included. */
export async function probeNamespaces(input: ProbeInput): Promise<ProbeReport> {
  const bubblewrap = findBubblewrap(input.options.bwrapPaths)
  if (bubblewrap.status === 'error') return { usable: false, findings: [bubblewrap] }
  const trial = await tryOut(input)
  return {
    usable: trial.every((finding) => finding.status !== 'error'),
    findings: [bubblewrap, ...trial, controlGroups(input), tunFinding()],
  }
}

function findBubblewrap(paths: readonly string[]): Finding {
  const path = paths.find((candidate) => existsSync(candidate))
  if (path === undefined) {
    return { check: 'bubblewrap', status: 'error', detail: 'not installed', fix: 'sudo apt-get install bubblewrap' }
  }
  const version = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: TRIAL_MS })
  if (version.status !== 0)
    return { check: 'bubblewrap', status: 'error', detail: `${path} does not run`, fix: 'sudo apt-get install --reinstall bubblewrap' }
  return { check: 'bubblewrap', status: 'ok', detail: `${version.stdout.trim()} at ${path}` }
}

/** Runs a real sandbox over a small project and reads from inside what is in force. */
async function tryOut({ options, driver, signal }: ProbeInput): Promise<Finding[]> {
  let project: string
  try {
    project = mkdtempSync(join(options.dataDir, 'probe-'))
  } catch (error) {
    return [
      {
        check: 'data folder',
        status: 'error',
        detail: `cannot write to ${options.dataDir}: ${String(error)}`,
        fix: `mkdir -p ${options.dataDir} and make it writable`,
      },
    ]
  }
  try {
    writeFileSync(join(project, 'in'), 'read\n', { mode: 0o600 })
    const { output, notices } = await runTrial(driver, project, signal)
    return inside(output, notices)
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    return [
      {
        check: 'sandbox',
        status: 'error',
        detail,
        fix: isAppError(error, 'sandbox_start_failed') ? namespaceFix() : 'Run it again with the cause removed.',
      },
    ]
  } finally {
    rmSync(project, { recursive: true, force: true })
  }
}

async function runTrial(driver: Driver, project: string, signal: AbortSignal): Promise<{ output: string; notices: readonly string[] }> {
  const pipe = createPipe()
  const stdin = openSync('/dev/null', 'r')
  const stderr = openSync('/dev/null', 'w')
  let writeOpen = true
  const closeWrite = (): void => {
    if (writeOpen) closeSync(pipe.write)
    writeOpen = false
  }
  try {
    const run = driver.runOnce?.(
      trialSpec(project),
      { stdin, stdout: pipe.write, stderr, onNotice: () => undefined, onStarted: closeWrite },
      signal,
    )
    const outcome = await run
    closeWrite()
    return { output: readFileSync(pipe.read, 'utf8'), notices: outcome?.notices ?? [] }
  } finally {
    closeWrite()
    for (const fd of [pipe.read, stdin, stderr]) closeSync(fd)
  }
}

function trialSpec(project: string): RunSpec {
  return {
    id: `probe${crypto.randomUUID().replaceAll('-', '').slice(0, 11)}`,
    command: ['/bin/sh', '-c', TRIAL_SCRIPT],
    env: {},
    callerPath: '',
    cwd: undefined,
    image: 'host',
    workspace: { mode: 'copy', hostPath: project, hidden: [], replaced: [], readOnly: [] },
    timeoutMs: TRIAL_MS,
    permissions: {
      profile: 'moderate',
      network: 'none',
      networkRules: { allow: [], block: [] },
      workspace: 'copy',
      mountHome: false,
      passEnv: false,
      readOnlyRoot: false,
      seccomp: 'moderate',
      memoryBytes: TRIAL_MEMORY,
      cpus: undefined,
      pids: 64,
      tmpBytes: 1 << 20,
      tmpExec: true,
    },
  }
}

const OVERLAY_FIX = 'Keep the data folder on ext4, xfs or btrfs with a kernel of 5.12 or later.'

function inside(output: string, notices: readonly string[]): Finding[] {
  const finding = (check: string, good: boolean, ok: string, bad: string, fix: string): Finding =>
    good ? { check, status: 'ok', detail: ok } : { check, status: 'error', detail: bad, fix }
  return [
    finding(
      'sandbox',
      output.includes('wrote'),
      'a trial sandbox ran and wrote to its copy of a project',
      'the trial sandbox could not write to its copy of a project',
      'Report this with the output of `agentkernel doctor --json`.',
    ),
    finding('system call filter', /Seccomp:\s*2/.test(output), 'in force', 'not in force', 'Use a kernel with CONFIG_SECCOMP_FILTER.'),
    finding(
      'privileges',
      /NoNewPrivs:\s*1/.test(output) && /CapBnd:\s*0+\s/.test(output),
      'none inside, and none can be gained',
      'some are left inside',
      'Report this as a security problem.',
    ),
    finding(
      'file owners',
      /^read$/m.test(output),
      "a file that only the user may read was read from inside, as the sandbox's own",
      'a file that only the user may read could not be read from inside',
      'Keep projects on a file system that supports id-mapped mounts (ext4, xfs, btrfs; kernel 5.12 or later).',
    ),
    ...(notices.length === 0
      ? [{ check: 'overlay', status: 'ok', detail: 'projects are shown as a private copy-on-write view' } as const]
      : notices.map((detail): Finding => ({ check: 'overlay', status: 'warning', detail, fix: OVERLAY_FIX }))),
  ]
}

/** Which of the known switches keeps user namespaces away, and how to turn it. */
function namespaceFix(): string {
  const switches = [
    { file: 'kernel/unprivileged_userns_clone', blocked: '0', fix: 'sudo sysctl -w kernel.unprivileged_userns_clone=1' },
    { file: 'user/max_user_namespaces', blocked: '0', fix: 'sudo sysctl -w user.max_user_namespaces=15000' },
    {
      file: 'kernel/apparmor_restrict_unprivileged_userns',
      blocked: '1',
      fix: "Install bubblewrap's AppArmor profile (`sudo apt-get install apparmor-profiles`), or: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    },
  ]
  for (const { file, blocked, fix } of switches) {
    try {
      if (readFileSync(`/proc/sys/${file}`, 'utf8').trim() === blocked) return fix
    } catch (error) {
      ignore(error, 'not every kernel has every switch')
    }
  }
  return 'In a container, start it with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined`; else check that user namespaces are allowed.'
}

const SCOPE_FIX =
  'Log in so that systemd knows of it (a console, a desktop, ssh; not `su` or `sudo`), and see `systemctl --user status agentkernel.scope`.'
const CPU_FIX =
  'Have systemd hand users the controller: `Delegate=cpu memory pids` for user@.service (`sudo systemctl edit user@.service`).'

function controlGroups({ cgroups }: ProbeInput): Finding {
  const check = 'control groups'
  const weak = (
    detail: string,
    fix = 'Run as root, or on a system with systemd and cgroup version 2, where the user session may make groups.',
  ): Finding => ({ check, status: 'warning', detail: `${detail}; memory is limited for each process instead of for the sandbox`, fix })
  const refused = cgroups.scopeFailure()
  if (refused !== undefined) return weak(`the user's systemd gave no scope to make them in (${refused})`, SCOPE_FIX)
  const roots = cgroups.roots()
  if (roots === undefined) return weak('none are mounted')
  const where = roots.joinMayFail === true ? " in the user's scope agentkernel.scope" : ''
  try {
    const group = RunCgroup.create(roots, `probe.${process.pid}.0`, { memoryBytes: TRIAL_MEMORY, pids: 64, cpus: 0.5 })
    group.release()
    const held = `version ${roots.version}${where}`
    return group.cpuHolds
      ? { check, status: 'ok', detail: `${held}; memory, process and cpu limits hold for the whole sandbox` }
      : {
          check,
          status: 'warning',
          detail: `${held}; memory and process limits hold, cpu limits cannot be set by users here`,
          fix: CPU_FIX,
        }
  } catch (error) {
    return weak(`may not be made by us${where} (${error instanceof Error ? error.message : String(error)})`)
  }
}

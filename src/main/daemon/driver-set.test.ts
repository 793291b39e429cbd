import { expect, test } from 'bun:test'
import { availableBackends } from '../driver-registry.ts'
import { resolvePaths } from '../paths.ts'
import { DriverSet } from './driver-set.ts'

const PATHS = resolvePaths({ HOME: '/nonexistent/home' }, '/nonexistent/agentkernel')
const drivers = () => new DriverSet(PATHS, { runtimeDir: '/nonexistent/run', version: '0.0.0' })

test.skipIf(process.platform !== 'linux')(
  'a driver is made once, whoever asks first and by whatever name, also at the same time',
  async () => {
    const set = drivers()
    const [unnamed, named, all] = await Promise.all([set.get(undefined), set.get(availableBackends()[0]), set.all()])
    expect(named).toBe(unnamed)
    expect(all[0]).toBe(unnamed)
    expect(await set.get(undefined)).toBe(unnamed)
    expect((await set.all())[0]).toBe(unnamed)
  },
)

test('a name without a driver is refused each time it is asked for', async () => {
  const set = drivers()
  for (const _ of [1, 2]) await expect(set.get('docker')).rejects.toMatchObject({ code: 'not_available_yet' })
  await expect(set.get('nothing')).rejects.toMatchObject({ code: 'backend_unknown' })
})

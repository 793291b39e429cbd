import { AppError } from '../../contract/errors.ts'
import { parseLabel } from '../../lib/labels.ts'
import type { Exchange } from '../exchange.ts'
import { type Handlers, uncancelled } from '../handler.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
/** Printable ASCII without spaces. */
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/

type Names =
  | 'sandboxList'
  | 'sandboxCreate'
  | 'sandboxGetByUuid'
  | 'sandboxGet'
  | 'sandboxPatch'
  | 'sandboxRemove'
  | 'sandboxStart'
  | 'sandboxStop'
  | 'sandboxLogs'
  | 'sandboxStats'
  | 'sandboxExtend'
  | 'sandboxResize'
  | 'sandboxRecover'
  | 'sandboxExport'
  | 'sandboxImport'
  | 'sandboxImportAs'
  | 'session'

export const sandboxHandlers: Handlers<Names> = {
  sandboxList: async ({ label, project }, { deps }) => ({
    data: await deps.sandboxes.list({
      ...(label === undefined ? {} : { labels: labelsOf(label) }),
      ...(project === undefined ? {} : { project }),
    }),
  }),
  sandboxCreate: async (input, exchange) => {
    const key = idempotencyKeyOf(exchange)
    // With a key the same request will ask again, and is to find what this one made.
    const [options, signal] = key === undefined ? [{}, exchange.signal] : [{ key }, uncancelled()]
    return { data: await exchange.deps.sandboxes.create(input, { ...options, caller: exchange.caller }, signal) }
  },
  sandboxGetByUuid: async ({ uuid }, { deps }) => {
    if (!UUID.test(uuid)) throw new AppError('invalid_argument', 'Invalid sandbox UUID')
    return { data: await deps.sandboxes.getByUuid(uuid.toLowerCase()) }
  },
  sandboxGet: async ({ name }, { deps }) => ({ data: await deps.sandboxes.get(name) }),
  sandboxPatch: async ({ name, ...change }, { deps }) => ({ data: await deps.sandboxes.patch(name, change) }),
  sandboxRemove: async ({ name }, { deps }) => {
    await deps.sandboxes.remove(name, uncancelled())
    return { data: 'Sandbox removed' }
  },
  sandboxStart: async ({ name }, { deps }) => {
    const sandbox = await deps.sandboxes.start(name, uncancelled())
    return { data: 'Sandbox started', beside: { sandbox } }
  },
  sandboxStop: async ({ name }, { deps }) => {
    const sandbox = await deps.sandboxes.stop(name, uncancelled())
    return { data: 'Sandbox stopped', beside: { sandbox } }
  },
  sandboxLogs: async ({ name }, { deps }) => {
    const { records, warnings } = await deps.sandboxes.logs(name)
    return { data: records, ...(warnings.length === 0 ? {} : { beside: { warnings } }) }
  },
  sandboxStats: async ({ name }, { deps }) => ({ data: await deps.sandboxes.stats(name) }),
  sandboxExtend: async ({ name, by }, { deps }) => ({ data: await deps.sandboxes.extend(name, by) }),
  sandboxResize: async ({ name, ...limits }, { deps }) => ({ data: await deps.sandboxes.resize(name, limits, uncancelled()) }),
  sandboxRecover: async ({ name }, { deps }) => ({ data: await deps.sandboxes.recover(name) }),
  sandboxExport: async ({ name }, { deps }) => ({ data: await deps.sandboxes.exportConfig(name) }),
  sandboxImport: async (input, { deps, caller }) => ({ data: await deps.sandboxes.importConfig(input, { caller }, uncancelled()) }),
  sandboxImportAs: async ({ name, ...input }, { deps, caller }) => ({
    data: await deps.sandboxes.importConfig({ ...input, as: name }, { caller }, uncancelled()),
  }),
  session: async ({ name }, { deps }) => ({ data: { sandbox: name, entries: (await deps.sandboxes.logs(name)).records } }),
}

function labelsOf(texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const label = parseLabel(text)
      if ('problem' in label) throw new AppError('invalid_argument', `label: ${label.problem}`)
      return [label.key, label.value]
    }),
  )
}

function idempotencyKeyOf({ request }: Exchange): string | undefined {
  const key = request.headers.get('idempotency-key')
  if (key === null) return undefined
  if (!IDEMPOTENCY_KEY.test(key)) throw new AppError('invalid_argument', 'Idempotency-Key must be 1 to 255 printable ASCII characters')
  return key
}

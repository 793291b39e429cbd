/** A daemon from the sources, for tests: `bun daemon-main.ts ORDERS SERVE`. Prints one line of JSON when it is ready. */
import { runDaemon } from '../../src/main/daemon/daemon.ts'
import { parseOrders } from '../../src/main/daemon/orders.ts'
import { Secret } from '../../src/lib/secret.ts'
import type { ServeOptions } from '../../src/main/daemon/serve-options.ts'

const [orders = '{}', serve = 'null'] = process.argv.slice(2)
const asked = JSON.parse(serve) as (Omit<ServeOptions, 'keys'> & { readonly keys: readonly string[] }) | null
await runDaemon(parseOrders(orders), {
  ...(asked === null ? {} : { serve: { ...asked, keys: asked.keys.map((key) => new Secret(key)) } }),
  onReady: (url) => process.stdout.write(`${JSON.stringify({ url })}\n`),
})

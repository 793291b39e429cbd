// What a program of any runtime does with the package. Prints one line of JSON; the test compares it.
// Arguments: address of the server, how the package ws is found (empty: not at all).
import * as sdk from 'agentkernel'

const { AgentKernel, AgentKernelError, NotFoundError, NotAvailableError, CommandFailedError, TimeoutError } = sdk
const args = globalThis.Deno === undefined ? process.argv.slice(2) : globalThis.Deno.args
const [baseUrl, wsPackage] = args
const seen = {}
const decoder = new TextDecoder()

const ws = wsPackage ? (await import(wsPackage)).default : undefined
const client = new AgentKernel({ baseUrl: `${baseUrl}/`, apiKey: 'key-1', ...(ws && { ws }) })

async function failure(promise) {
  try {
    await promise
    return 'no failure'
  } catch (error) {
    return [error.name, error.status, error.code, error instanceof AgentKernelError]
  }
}

async function collect(iterable) {
  const items = []
  for await (const item of iterable) items.push(item)
  return items
}

seen.exports = Object.keys(sdk).sort()
seen.health = await client.health()
seen.run = await client.run(['echo', 'hi'])
seen.notFound = await failure(client.getSandbox('missing'))
seen.notFoundClass = (await client.getSandbox('missing').catch((error) => error)) instanceof NotFoundError
seen.later = (await client.listSnapshots().catch((error) => error)) instanceof NotAvailableError
seen.failed = await client
  .execInSandbox('box', ['false'])
  .catch((error) => [error instanceof CommandFailedError, error.exitCode, error.output])
seen.timeout = (await client.request('GET', '/never', { timeout: 20 }).catch((error) => error)) instanceof TimeoutError
const controller = new AbortController()
setTimeout(() => controller.abort(new Error('enough')), 10)
seen.abort = await client.request('GET', '/never', { signal: controller.signal }).catch((error) => error.message)
seen.unreachable = await failure(new AgentKernel({ baseUrl: 'http://127.0.0.1:1' }).health())

seen.runStream = (await collect(client.runStream(['x']))).map(({ type }) => type)
seen.execStream = (await collect(client.execStream('box', ['x']))).map((event) => event.data ?? event.type)
let events = 0
for await (const event of client.events()) {
  events += event.id
  if (event.id === 3) break
}
seen.events = events

async function* pieces() {
  for (let piece = 0; piece < 64; piece += 1) yield new Uint8Array(65_536).fill(piece)
}
seen.upload = await client.writeStream('box', '/big', pieces())
let size = 0
for await (const piece of await client.readStream('box', '/big')) size += piece.length
seen.download = size
seen.part = decoder.decode((await collect(await client.readStream('box', '/digits', { offset: 2, length: 3 })))[0])
seen.stream = await new Response((await client.readStream('box', '/digits')).stream).text()

const box = await client.sandbox('box')
seen.session = [box.name, (await box.exec(['true'])).output]
await box[Symbol.asyncDispose]()
await box.remove()

if (globalThis.WebSocket === undefined && ws === undefined) seen.socket = await failure(client.openExec('box', ['cat']))
else {
  const session = await client.openExec('box', ['cat'])
  await session.pipe(['he', 'llo'].map((text) => new TextEncoder().encode(text)))
  const output = (await collect(session.output)).map((chunk) => decoder.decode(chunk.bytes))
  seen.socket = [session.pid, output.join(''), (await session.result).exit_code]
}
console.log(JSON.stringify(seen))

import { Duplex } from 'node:stream'
import { ignore } from '../../lib/ignore.ts'
import type { Pipe } from '../http/pipe.ts'

/** A pipe as a Node stream, as `node:tls` and `node:http2` want it. Reads no further than its reader. */
export function streamOf(pipe: Pipe): Duplex {
  const stream = new Duplex({
    // Both ends decide by themselves when they have nothing more to say.
    allowHalfOpen: true,
    read() {
      pipe.read().then(
        (bytes) => stream.push(bytes ?? null),
        (error: unknown) => {
          ignore(error, 'whoever reads the stream is told that it is gone')
          stream.destroy()
        },
      )
    },
    write(bytes: Uint8Array, _encoding, done) {
      void pipe.write(bytes).then((taken) => done(taken ? null : new Error('the connection is gone')))
    },
    final(done) {
      pipe.end()
      done()
    },
    destroy(_error, done) {
      pipe.destroy()
      done(null)
    },
  })
  stream.on('error', (error) => ignore(error, 'its close says the same'))
  return stream
}

/** A Node stream as a pipe. What waits to be read is bounded by the stream's own marks. */
export function pipeOf(stream: Duplex): Pipe {
  const closed = new Promise<void>((resolve) => stream.once('close', resolve))
  const chunks: Uint8Array[] = []
  let waiting: { readonly resolve: (bytes: Uint8Array | undefined) => void; readonly reject: (error: Error) => void } | undefined
  let ended = false
  let failure: Error | undefined
  const settle = (): void => {
    if (waiting === undefined) return
    const { resolve, reject } = waiting
    const chunk = chunks.shift()
    if (chunk === undefined && !ended && failure === undefined) return
    waiting = undefined
    if (chunk !== undefined) resolve(chunk)
    else if (failure !== undefined) reject(failure)
    else resolve(undefined)
  }
  stream.on('data', (chunk: Uint8Array) => {
    chunks.push(chunk)
    if (waiting === undefined) stream.pause()
    settle()
  })
  stream.on('end', () => {
    ended = true
    settle()
  })
  const gone = (error: Error): void => {
    failure ??= error
    settle()
  }
  stream.on('error', gone)
  stream.on('close', () => (ended ? undefined : gone(new Error('the connection is gone'))))
  return {
    closed,
    read: () =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject }
        settle()
        if (waiting !== undefined) stream.resume()
      }),
    write: (bytes) =>
      new Promise((resolve) => {
        if (stream.destroyed || stream.writableEnded) return resolve(false)
        if (stream.write(bytes)) return resolve(true)
        const done = (ok: boolean) => (): void => {
          stream.off('drain', drained)
          stream.off('close', left)
          resolve(ok)
        }
        const drained = done(true)
        const left = done(false)
        stream.on('drain', drained)
        stream.on('close', left)
      }),
    end: () => {
      if (!stream.destroyed && !stream.writableEnded) stream.end()
    },
    destroy: () => void stream.destroy(),
  }
}

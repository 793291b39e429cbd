import { isRecord, StreamError } from './errors.ts'

/** The data of an event as the JSON object that it must be. Errors: `stream_error`. */
export function parseEventData(data: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch (cause) {
    throw new StreamError('an event of the stream is not JSON', { cause })
  }
  if (!isRecord(value)) throw new StreamError('an event of the stream is no object')
  return value
}

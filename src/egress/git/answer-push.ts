import type { ResponseHead } from '../types.ts'
import { wholeBody } from '../http/body.ts'
import type { Body } from '../http/message.ts'
import type { PushHead } from './push-commands.ts'

/** Why each ref is refused, by its name; refs without an entry are refused because of the others. */
export type RefReasons = ReadonlyMap<string, string>

const MOST_TOLD_REFS = 200
const BAND_REPORT = 1
const BAND_MESSAGE = 2
/** Side bands without `-64k` carry at most 999 bytes and a band. */
const MOST_PIECE = { 'side-band-64k': 65_000, 'side-band': 990 } as const

/**
 * What git shows as `! [remote rejected] main -> main (REASON)`: the answer of a server that took nothing. Undefined: the program does
 * not ask for reports.
 */
export function refusePush(
  { commands, capabilities }: PushHead,
  reasons: RefReasons,
): { readonly head: ResponseHead; readonly body: Body } | undefined {
  if (!capabilities.has('report-status') && !capabilities.has('report-status-v2')) return undefined
  const lines = commands.slice(0, MOST_TOLD_REFS).map(({ ref }) => pkt(`ng ${ref} ${oneLine(reasons.get(ref) ?? OTHERS)}\n`))
  const report = Buffer.concat([pkt('unpack ok\n'), ...lines, FLUSH])
  const band = (['side-band-64k', 'side-band'] as const).find((name) => capabilities.has(name))
  const whole = band === undefined ? report : Buffer.concat([...banded(report, MOST_PIECE[band]), FLUSH])
  return {
    head: {
      status: 200,
      headers: [
        ['Content-Type', 'application/x-git-receive-pack-result'],
        ['Cache-Control', 'no-cache'],
        ['X-Agentkernel-Denied', 'push'],
      ],
    },
    body: wholeBody(whole),
  }
}

const OTHERS = 'not pushed, because another ref of this push may not be'
const FLUSH = Buffer.from('0000')

function banded(report: Buffer, most: number): Buffer[] {
  const pieces = [pkt(Buffer.concat([Buffer.from([BAND_MESSAGE]), Buffer.from('agentkernel did not let this push through.\n')]))]
  for (let at = 0; at < report.length; at += most) {
    pieces.push(pkt(Buffer.concat([Buffer.from([BAND_REPORT]), report.subarray(at, at + most)])))
  }
  return pieces
}

function pkt(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content)
  return Buffer.concat([Buffer.from((bytes.length + 4).toString(16).padStart(4, '0')), bytes])
}

const oneLine = (text: string): string => text.replaceAll(/[\0-\x1f\x7f]/g, ' ').slice(0, 300)

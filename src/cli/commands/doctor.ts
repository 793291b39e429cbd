import type { DoctorFinding, DoctorReport } from '../../contract/reports.ts'
import type { Command } from '../command.ts'
import { JSON_FLAG } from '../command.ts'
import { printable, printableJson } from '../printable.ts'
import { column, styleFor } from '../style.ts'
import type { Style } from '../style.ts'

export const doctor: Command = {
  spec: {
    name: 'doctor',
    summary: 'Find out what works on this machine',
    description: 'Tries each thing for real, and says how to mend what does not work. Exits with 1 when no backend is usable.',
    usage: ['doctor [flags]'],
    positionals: { kind: 'none' },
    flags: [
      {
        name: 'trust',
        summary: "Also try which tools inside a sandbox trust the sandbox's own certificate authority (takes some seconds)",
      },
      JSON_FLAG,
    ],
    examples: [
      { command: 'agentkernel doctor', note: 'Check this machine and this project' },
      { command: 'agentkernel doctor --trust', note: 'Check which tools trust the gateway when it opens TLS' },
      { command: 'agentkernel doctor --json', note: 'The same for a script' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const operations = await context.operations()
    const report = await operations.doctor({ cwd: context.cwd, trust: args.has('trust') }, new AbortController().signal)
    if (args.has('json')) context.stdout.write(`${printableJson(report, 2)}\n`)
    else context.stdout.write(page(report, styleFor(context.stdout, context.env)))
    return report.selected === undefined ? 1 : 0
  },
}

function page(report: DoctorReport, style: Style): string {
  const lines: string[] = []
  for (const section of report.sections) {
    lines.push(style.bold(printable(section.title)))
    for (const finding of section.findings) lines.push(...findingLines(finding, style))
    lines.push('')
  }
  lines.push(
    report.selected === undefined
      ? style.red('No backend is usable here; `agentkernel run` cannot work until one of the problems above is mended.')
      : `\`agentkernel run\` uses: ${style.bold(printable(report.selected))}`,
  )
  return `${lines.join('\n')}\n`
}

function findingLines({ check, status, detail, fix }: DoctorFinding, style: Style): readonly string[] {
  const paint = { ok: style.green, warning: style.yellow, error: style.red, info: style.dim }[status]
  // Padded before it is painted: colour codes have no width. `ok` is the widest mark.
  const mark = paint(style.marks[status].padEnd(2))
  const lines = [`  ${mark} ${column(printable(check), 26)}${printable(detail)}`.trimEnd()]
  if (fix !== undefined) lines.push(...fix.split('\n').map((line, index) => `     ${index === 0 ? 'Fix: ' : '     '}${printable(line)}`))
  return lines
}

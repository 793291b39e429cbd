import type { Command } from '../../command.ts'
import { commandGroup } from '../group.ts'
import { clean, gc, reconcile } from './cleaning.ts'
import { execKill, execList, execLogs, logs } from './commands.ts'
import { exportConfig, importConfig } from './config-file.ts'
import { cp } from './cp.ts'
import { create } from './create.ts'
import { extendTtl } from './extend-ttl.ts'
import { info } from './info.ts'
import { list } from './list.ts'
import { recover, remove, start, stop } from './lives.ts'
import { resize } from './resize.ts'

export const sandbox: Command = commandGroup({
  name: 'sandbox',
  summary: 'Make and look after sandboxes that stay',
  description:
    'A sandbox stays until it is removed or its time to live is over. Commands run in it with `agentkernel exec` and ' +
    '`agentkernel attach`, from as many programs at once as you like. A daemon looks after it; it is started when it is needed.',
  subcommands: {
    create,
    start,
    stop,
    remove,
    list,
    info,
    cp,
    'extend-ttl': extendTtl,
    resize,
    recover,
    'export-config': exportConfig,
    'import-config': importConfig,
    'exec-list': execList,
    'exec-logs': execLogs,
    'exec-kill': execKill,
    gc,
    clean,
    logs,
    reconcile,
  },
  aliases: { ls: 'list', rm: 'remove' },
  later: ['export'],
  examples: [
    { command: 'agentkernel sandbox create dev --dir .', note: 'A sandbox with a copy of this project' },
    { command: 'agentkernel exec dev -- npm test', note: 'Run something in it' },
    { command: 'agentkernel sandbox cp dev:/workspace/report.txt .', note: 'Take a file out' },
    { command: 'agentkernel sb rm dev', note: 'Remove it' },
  ],
})

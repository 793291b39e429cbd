import * as z from 'zod'

/** Text without a NUL character, which no program, path or variable can hold. */
export const noNul = z.string().refine((text) => !text.includes('\0'), 'must not contain a NUL character')

/** Program and arguments. */
export const command = z
  .array(noNul)
  .min(1, 'must name a program')
  .refine((words) => words[0] !== '', 'must name a program')
  .describe('Program and arguments; no shell reads them')

/** `KEY=value`, as often as needed. */
export const environment = z
  .array(noNul.refine((entry) => /^[^=]+=/.test(entry), 'must be KEY=value'))
  .describe('Variables of the command, each KEY=value')

/** An absolute path of this machine. */
export const hostPath = noNul.refine((path) => path.startsWith('/'), 'must be an absolute path')

/** Longest time limit of a command, in ms: a timer holds no more (about 24 days). */
export const timeoutMs = z
  .int()
  .min(0)
  .max(2 ** 31 - 1)
  .describe('Time limit in ms; 0 = none')

/** What a sandbox may reach: rules, read and decided. Pure. */
export { compilePolicy } from './compile.ts'
export { readEventLine } from './event-line.ts'
export type { AskedFor } from './event-line.ts'
export { explainTarget } from './explain.ts'
export { Learner } from './learn.ts'
export { learnedText, learnedToml } from './learn-text.ts'
export { Simulation } from './simulate.ts'
export type { CompiledPolicy } from './types.ts'

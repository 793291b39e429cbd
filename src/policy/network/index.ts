/** What a sandbox may reach: rules, read and decided. Pure. */
export { compilePolicy } from './compile.ts'
export { normalName } from './names.ts'
export { refuseOverBroad } from './over-broad.ts'
export { isWithinPublic } from './within-public.ts'
export { canonicalRules, parseRule } from './parse-rule.ts'
export { printRule } from './rule.ts'
export type { Rule } from './rule.ts'
export type { CompiledPolicy, PolicyFacts, Protocol, RequestFacts, Verdict } from './types.ts'

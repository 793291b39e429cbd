/** Conformance cases this driver cannot pass, each with the reason. */
export const skip: Readonly<Record<string, string>> = {}

/** The same, of the cases of sandboxes that stay. */
export const skipSandboxes: Readonly<Record<string, string>> = {}

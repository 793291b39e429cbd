/** Conformance cases this driver cannot pass, each with the reason. */
export const skip: Readonly<Record<string, string>> = {}

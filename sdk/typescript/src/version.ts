/** Version of this package; always that of the product it belongs to. */
export const VERSION = '0.20.0'

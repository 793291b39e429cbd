/**
 * Counters, gauges and histograms, written as Prometheus text 0.0.4. A series exists from its first value on; each metric holds at
 * most `MAX_SERIES`, and what comes after counts as the series whose labels are all `other`, so that nobody's input fills the memory.
 */
const MAX_SERIES = 1000

/** Seconds. From a command over the local socket to one that takes minutes. */
const DEFAULT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] as const

type Labels<L extends string> = Readonly<Record<L, string>>

export class Metrics {
  readonly #families = new Map<string, Family>()

  /** Each of these asked for again by its name is the same one, labels and all; whoever asks first says what it means. */
  counter<L extends string = never>(name: string, help: string, labels: readonly L[] = []): Counter<L> {
    return this.#get(name, () => new Counter(name, help, labels))
  }

  gauge<L extends string = never>(name: string, help: string, labels: readonly L[] = []): Gauge<L> {
    return this.#get(name, () => new Gauge(name, help, labels))
  }

  histogram<L extends string = never>(
    name: string,
    help: string,
    labels: readonly L[] = [],
    buckets: readonly number[] = DEFAULT_BUCKETS,
  ): Histogram<L> {
    return this.#get(name, () => new Histogram(name, help, labels, buckets))
  }

  /** All metrics, each with its type and meaning, in the order they were made. */
  text(): string {
    return [...this.#families.values()].map((family) => `${family.lines().join('\n')}\n`).join('')
  }

  #get<F extends Family>(name: string, make: () => F): F {
    // One name has one kind: what is there was made by the same method.
    const known = this.#families.get(name) as F | undefined
    const family = known ?? make()
    this.#families.set(name, family)
    return family
  }
}

interface Family {
  lines(): string[]
}

/** The series of one metric, by their labels. */
class SeriesTable<L extends string, V> {
  readonly #series = new Map<string, V>()
  readonly #labels: readonly L[]
  readonly #create: () => V

  constructor(labels: readonly L[], create: () => V) {
    this.#labels = labels
    this.#create = create
  }

  at(values: Labels<L>): V {
    const key = this.#key((label) => values[label])
    const known = this.#series.get(key)
    if (known !== undefined) return known
    if (this.#series.size >= MAX_SERIES) return this.#make(this.#key(() => 'other'))
    return this.#make(key)
  }

  entries(): IterableIterator<[string, V]> {
    return this.#series.entries()
  }

  #make(key: string): V {
    const value = this.#series.get(key) ?? this.#create()
    this.#series.set(key, value)
    return value
  }

  #key(valueOf: (label: L) => string): string {
    return this.#labels.map((label) => `${label}="${escapeValue(valueOf(label))}"`).join(',')
  }
}

/** A metric whose series are one number each. */
abstract class Numbers<L extends string> implements Family {
  protected readonly series: SeriesTable<L, { value: number }>
  readonly #type: 'counter' | 'gauge'
  readonly #name: string
  readonly #help: string

  constructor(type: 'counter' | 'gauge', name: string, help: string, labels: readonly L[]) {
    this.#type = type
    this.#name = name
    this.#help = help
    this.series = new SeriesTable(labels, () => ({ value: 0 }))
  }

  lines(): string[] {
    return [
      ...head(this.#name, this.#help, this.#type),
      ...[...this.series.entries()].map(([key, { value }]) => sample(this.#name, key, value)),
    ]
  }
}

export class Counter<L extends string> extends Numbers<L> {
  constructor(name: string, help: string, labels: readonly L[]) {
    super('counter', name, help, labels)
  }

  add(labels: Labels<L>, by = 1): void {
    this.series.at(labels).value += by
  }
}

export class Gauge<L extends string> extends Numbers<L> {
  constructor(name: string, help: string, labels: readonly L[]) {
    super('gauge', name, help, labels)
  }

  set(labels: Labels<L>, value: number): void {
    this.series.at(labels).value = value
  }
}

export class Histogram<L extends string> implements Family {
  readonly #name: string
  readonly #help: string
  readonly #buckets: readonly number[]
  readonly #series: SeriesTable<L, { counts: number[]; sum: number; count: number }>

  constructor(name: string, help: string, labels: readonly L[], buckets: readonly number[]) {
    this.#name = name
    this.#help = help
    this.#buckets = buckets
    this.#series = new SeriesTable(labels, () => ({ counts: buckets.map(() => 0), sum: 0, count: 0 }))
  }

  observe(labels: Labels<L>, value: number): void {
    const series = this.#series.at(labels)
    const bucket = this.#buckets.findIndex((limit) => value <= limit)
    if (bucket !== -1) series.counts[bucket] = (series.counts[bucket] ?? 0) + 1
    series.sum += value
    series.count += 1
  }

  lines(): string[] {
    return [
      ...head(this.#name, this.#help, 'histogram'),
      ...[...this.#series.entries()].flatMap(([key, series]) => this.#samples(key, series)),
    ]
  }

  #samples(key: string, { counts, sum, count }: { counts: number[]; sum: number; count: number }): string[] {
    const within = (limit: string): string => (key === '' ? `le="${limit}"` : `${key},le="${limit}"`)
    let below = 0
    const buckets = this.#buckets.map((limit, at) => {
      below += counts[at] ?? 0
      return sample(`${this.#name}_bucket`, within(String(limit)), below)
    })
    return [
      ...buckets,
      sample(`${this.#name}_bucket`, within('+Inf'), count),
      sample(`${this.#name}_sum`, key, sum),
      sample(`${this.#name}_count`, key, count),
    ]
  }
}

const head = (name: string, help: string, type: string): string[] => [`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`]
const sample = (name: string, key: string, value: number): string => (key === '' ? `${name} ${value}` : `${name}{${key}} ${value}`)
const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
const escapeValue = (text: string): string => escapeHelp(text).replaceAll('"', '\\"')

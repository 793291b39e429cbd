import { describe, expect, test } from 'bun:test'
import { Metrics } from './metrics.ts'

describe('metrics', () => {
  test('are written as Prometheus reads them', () => {
    const metrics = new Metrics()
    const requests = metrics.counter('requests_total', 'Requests.', ['method', 'path'])
    requests.add({ method: 'GET', path: '/a' })
    requests.add({ method: 'GET', path: '/a' })
    requests.add({ method: 'POST', path: '/a' }, 3)
    metrics.gauge('active', 'Active\nones \\ now.').set({}, 4)
    expect(metrics.text()).toBe(
      [
        '# HELP requests_total Requests.',
        '# TYPE requests_total counter',
        'requests_total{method="GET",path="/a"} 2',
        'requests_total{method="POST",path="/a"} 3',
        '# HELP active Active\\nones \\\\ now.',
        '# TYPE active gauge',
        'active 4',
        '',
      ].join('\n'),
    )
  })

  test('of a histogram count what is below each limit, the limit included', () => {
    const metrics = new Metrics()
    const seconds = metrics.histogram('seconds', 'Seconds.', ['path'], [0.1, 1])
    for (const value of [0.05, 0.1, 0.5, 7]) seconds.observe({ path: '/a' }, value)
    expect(metrics.text().split('\n').slice(2, -1)).toEqual([
      'seconds_bucket{path="/a",le="0.1"} 2',
      'seconds_bucket{path="/a",le="1"} 3',
      'seconds_bucket{path="/a",le="+Inf"} 4',
      'seconds_sum{path="/a"} 7.65',
      'seconds_count{path="/a"} 4',
    ])
  })

  test('keep a value that would end its label where it is', () => {
    const metrics = new Metrics()
    metrics.counter('a', 'A.', ['x']).add({ x: '"}\n\\' })
    expect(metrics.text()).toContain('a{x="\\"}\\n\\\\"} 1')
  })

  test('are the same for whoever asks for them by name', () => {
    const metrics = new Metrics()
    metrics.counter('a', 'A.', ['x']).add({ x: '1' })
    metrics.counter('a', 'Other words.', ['x']).add({ x: '1' })
    expect(metrics.text()).toBe('# HELP a A.\n# TYPE a counter\na{x="1"} 2\n')
  })

  test('never have more than a thousand series, whatever the labels', () => {
    const metrics = new Metrics()
    const counter = metrics.counter('a', 'A.', ['x'])
    for (let at = 0; at < 3000; at++) counter.add({ x: String(at) })
    const lines = metrics
      .text()
      .split('\n')
      .filter((line) => line.startsWith('a{'))
    expect(lines).toHaveLength(1001)
    expect(lines).toContain('a{x="other"} 2000')
  })
})

import { describe, expect, test } from 'bun:test'
import { StdinCredit } from './stdin-credit.ts'

describe('credit for stdin', () => {
  test('is used up and never overdrawn', async () => {
    const credit = new StdinCredit(10)
    expect(await credit.take(6)).toBe(6)
    expect(await credit.take(6)).toBe(4)
    let got: number | undefined
    const waiting = credit.take(6).then((bytes) => (got = bytes))
    await Promise.resolve()
    expect(got).toBeUndefined()
    credit.grant(3)
    expect(await waiting).toBe(3)
  })

  test('that will not come any more fails who waits and who comes later, with the first reason', async () => {
    const credit = new StdinCredit(0)
    const waiting = credit.take(1)
    credit.close(new RangeError('ended'))
    credit.close(new RangeError('again'))
    await expect(waiting).rejects.toThrow('ended')
    await expect(credit.take(1)).rejects.toThrow('ended')
  })
})

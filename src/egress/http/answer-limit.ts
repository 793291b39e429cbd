/** How long a server may take to begin its answer, counted from the end of the request: a large body may be long on its way. */
export class AnswerLimit {
  #timer: Timer | undefined
  #isStopped = false

  /** `sent` never rejects. */
  constructor(limitMs: number, sent: Promise<void>, late: () => void) {
    void sent.then(() => {
      if (!this.#isStopped) this.#timer = setTimeout(late, limitMs)
    })
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }
}

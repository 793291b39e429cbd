/** The text without anything that a terminal or a log would act on: control characters and what ends a line, each run of them as one space. */
export function oneLine(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, ' ')
}

/** What a check has found, one line each: `starling check` prints them and fails when one of them does. */
export type Verdict = 'ok' | 'warn' | 'fail' | 'skip'

export interface Finding {
  readonly verdict: Verdict
  /** What was looked at: `ports`, `certificate`. */
  readonly of: string
  /** What was seen, and what to do about it. */
  readonly text: string
}

/** Makes findings of one thing. */
export function findings(of: string): Readonly<Record<Verdict, (text: string) => Finding>> {
  const making = (verdict: Verdict) => (text: string): Finding => ({ verdict, of, text })
  return { ok: making('ok'), warn: making('warn'), fail: making('fail'), skip: making('skip') }
}

const VERDICT_WIDTH = 4
const OF_WIDTH = 11

export const findingText = ({ verdict, of, text }: Finding): string => `${verdict.padEnd(VERDICT_WIDTH)}  ${of.padEnd(OF_WIDTH)}  ${text}`

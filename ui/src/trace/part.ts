// SPDX-License-Identifier: Apache-2.0
// The part of a trace's time that is shown, in the address.
import { param, set } from '../base/route'
import type { Part, Trace } from './model'

/** `t` in the address: the part shown, in nanoseconds from the start. */
export function partOf(trace: Trace): Part {
  const [from, to] = (param('t') ?? '').split('-').map(Number)
  if (from === undefined || to === undefined || !(from < to)) return { from: 0, to: trace.length }
  return { from: Math.max(0, from), to: Math.min(trace.length, to) }
}

export function showPart(trace: Trace, part: Part): void {
  const from = Math.max(0, Math.round(part.from))
  const to = Math.min(trace.length, Math.round(part.to))
  if (to - from < 10) return
  set({ t: from === 0 && to === trace.length ? null : `${from}-${to}` }, true)
}

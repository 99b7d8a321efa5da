// SPDX-License-Identifier: Apache-2.0
// The time window of the header: relative to now (live) or pinned between two moments.
import { computed } from '@preact/signals'
import { param, set, type Patch } from './route'
import { iso, lengthMs, lengthText, span } from './time'

export interface Window {
  live: boolean
  /** Live: how long it is, as in the address. */
  last: string
  lengthMs: number
  /** Pinned: its ends in milliseconds. */
  from: number
  to: number
}

export const DEFAULT_LAST = '15m'
const SHORTEST_MS = 60e3

export const timeWindow = computed<Window>(() => {
  const from = Date.parse(param('from') ?? '')
  const to = Date.parse(param('to') ?? '')
  if (Number.isFinite(from) && Number.isFinite(to) && from < to) {
    return { live: false, last: '', lengthMs: to - from, from, to }
  }
  const wanted = param('last') ?? DEFAULT_LAST
  const length = lengthMs(wanted)
  const last = length === null ? DEFAULT_LAST : wanted
  return { live: true, last, lengthMs: length ?? 15 * 60e3, from: NaN, to: NaN }
})

/** As the API wants it: relative windows are the server's to resolve, by its clock. */
export function windowParams(window: Window): { from: string; to: string } {
  if (window.live) return { from: `-${window.last}`, to: 'now' }
  return { from: iso(window.from), to: iso(window.to) }
}

export function windowText(window: Window): string {
  return window.live ? `Last ${lengthText(window.lengthMs)}` : span(window.from, window.to)
}

export function livePatch(last: string): Patch {
  return { last: last === DEFAULT_LAST ? null : last, from: null, to: null }
}

export function pinnedPatch(from: number, to: number): Patch {
  const start = Math.floor(from / 1000) * 1000
  const end = Math.max(start + SHORTEST_MS, Math.ceil(to / 1000) * 1000)
  const text = (at: number) => iso(at).replace('.000', '')
  return { last: null, from: text(start), to: text(end) }
}

export function pin(from: number, to: number, replace = false): void {
  set(pinnedPatch(from, to), replace)
}

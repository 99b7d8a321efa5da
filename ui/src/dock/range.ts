// SPDX-License-Identifier: Apache-2.0
// The stretch of time that the dock shows, and what happened in it.
import { address } from '../api/client'
import type { HistoryPoint, List } from '../api/types'
import { useAnswer } from '../api/use'
import { useSignal } from '@preact/signals'
import { param } from '../base/route'
import { iso, lengthMs } from '../base/time'
import { timeWindow } from '../base/window'
import { comparedWith } from '../map/compare'
import { placeParams } from '../map/place'

export const RANGES = ['1h', '3h', '6h', '12h', '24h', '7d', '30d']
export const DEFAULT_RANGE = '6h'
const MOST_BARS = 96
const REFRESH_MS = 15_000
const STEPS_MIN = [1, 2, 3, 4, 5, 10, 15, 30, 60, 120, 180, 360, 720]

export interface Frame {
  from: number
  to: number
  stepMs: number
}

function stepOf(length: number): number {
  return (STEPS_MIN.find((count) => length / (count * 60e3) <= MOST_BARS) ?? 1440) * 60e3
}

/** The range ends now, unless the window lies before it: then the window stands in its middle. */
export function frameOf(now: number): Frame {
  const window = timeWindow.value
  const other = comparedWith()
  const length = lengthMs(param('range') ?? DEFAULT_RANGE) ?? 6 * 3600e3
  const shown = window.live
    ? { from: now - window.lengthMs, to: now }
    : { from: Math.min(window.from, other?.from ?? Infinity), to: Math.max(window.to, other?.to ?? 0) }
  const wide = window.live ? length : Math.max(length, (shown.to - shown.from) * 1.5)
  const stepMs = stepOf(wide)
  let to = Math.ceil(now / stepMs) * stepMs
  if (!window.live && shown.from < to - wide) to = Math.ceil((shown.to + wide / 2) / stepMs) * stepMs
  return { from: to - Math.ceil(wide / stepMs) * stepMs, to, stepMs }
}

/** The steps of a frame; while the next ones are on their way, those that were there. */
export function useHistory(frame: Frame): { points: HistoryPoint[]; known: boolean } {
  const url = address('map/history', {
    from: iso(frame.from),
    to: iso(frame.to),
    step: `${frame.stepMs / 1000}s`,
    ...placeParams(),
  })
  const history = useAnswer<List<HistoryPoint>>(url, timeWindow.value.live ? REFRESH_MS : null)
  const kept = useSignal<HistoryPoint[]>([])
  const items = history.data.value?.items
  if (items && items !== kept.peek()) kept.value = items
  const points = kept.value.filter((point) => {
    const at = Date.parse(point.time)
    return at >= frame.from && at < frame.to
  })
  return { points, known: items !== undefined }
}

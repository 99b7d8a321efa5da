// SPDX-License-Identifier: Apache-2.0
// A trace as a flame graph: time runs to the right, depth downwards. Spans that overlap in time with one of the
// same depth go to a lane further down, never above their parent.
import { duration } from '../base/format'
import type { Part, Row, Trace } from './model'
import type { Look } from './paint'

export const LANE = 20
const BAR = 17
const TEXT_FROM = 34

export interface Flame {
  /** Per lane its spans, by start. */
  lanes: Row[][]
  laneOf: Int32Array
}

export function flameOf(trace: Trace, skew: boolean): Flame {
  const lanes: Row[][] = []
  const ends: number[] = []
  const laneOf = new Int32Array(trace.rows.length)
  for (const row of trace.rows) {
    const start = startOf(row, skew)
    let lane = row.parent < 0 ? 0 : (laneOf[row.parent] ?? 0) + 1
    while ((ends[lane] ?? -Infinity) > start) lane++
    laneOf[row.index] = lane
    ends[lane] = start + row.duration
    const list = (lanes[lane] ??= [])
    list.push(row)
  }
  return { lanes, laneOf }
}

export function startOf(row: Row, skew: boolean): number {
  return row.start + (skew ? row.skew : 0)
}

/** The first span of a lane that ends behind `at`; lanes do not overlap, so their ends are in order too. */
function firstAfter(lane: Row[], at: number, skew: boolean): number {
  let low = 0
  let high = lane.length
  while (low < high) {
    const half = (low + high) >> 1
    const row = lane[half]
    if (row && startOf(row, skew) + row.duration < at) low = half + 1
    else high = half
  }
  return low
}

export interface FlameScene {
  flame: Flame
  part: Part
  skew: boolean
  width: number
  top: number
  height: number
  colours: Map<string, string>
  selected: number | null
  critical: boolean
}

export function spanAt(scene: FlameScene, x: number, y: number): Row | null {
  const lane = scene.flame.lanes[Math.floor((y + scene.top) / LANE)]
  if (!lane) return null
  const perPixel = (scene.part.to - scene.part.from) / Math.max(1, scene.width)
  const at = scene.part.from + x * perPixel
  const row = lane[firstAfter(lane, at - perPixel, scene.skew)]
  return row && startOf(row, scene.skew) <= at + perPixel ? row : null
}

function box(context: CanvasRenderingContext2D, scene: FlameScene, row: Row, look: Look, y: number): number {
  const perNs = scene.width / (scene.part.to - scene.part.from)
  const x = (startOf(row, scene.skew) - scene.part.from) * perNs
  const left = Math.max(-4, x)
  const right = Math.min(scene.width + 4, x + Math.max(1, row.duration * perNs - 1))
  context.globalAlpha = scene.critical && row.critical.length === 0 ? 0.62 : 1
  context.fillStyle = scene.colours.get(row.span.service) ?? look.muted
  context.fillRect(left, y, right - left, BAR)
  context.globalAlpha = 1
  if (row.error) {
    context.fillStyle = look.error
    context.fillRect(left, y + BAR - 3, right - left, 3)
  }
  const wide = right - Math.max(0, left)
  if (wide >= TEXT_FROM) {
    context.save()
    context.beginPath()
    context.rect(Math.max(0, left) + 4, y, wide - 8, BAR)
    context.clip()
    context.fillStyle = look.onBar
    context.fillText(`${row.span.name}  ${duration(row.duration)}`, Math.max(0, left) + 5, y + BAR / 2 + 0.5)
    context.restore()
  }
  return right
}

/** Paints what is in sight; of spans narrower than a pixel the first of each pixel. */
export function paintFlame(context: CanvasRenderingContext2D, scene: FlameScene, look: Look): void {
  context.font = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif'
  context.textBaseline = 'middle'
  const first = Math.max(0, Math.floor(scene.top / LANE))
  const last = Math.min(scene.flame.lanes.length, Math.ceil((scene.top + scene.height) / LANE))
  for (let at = first; at < last; at++) {
    const lane = scene.flame.lanes[at] ?? []
    const y = at * LANE - scene.top
    let drawn = -Infinity
    const perNs = scene.width / (scene.part.to - scene.part.from)
    for (let index = firstAfter(lane, scene.part.from, scene.skew); index < lane.length; index++) {
      const row = lane[index]
      if (!row || startOf(row, scene.skew) > scene.part.to) break
      const end = (startOf(row, scene.skew) + row.duration - scene.part.from) * perNs
      if (end < drawn) continue
      drawn = Math.max(box(context, scene, row, look, y), Math.floor(end) + 1)
    }
  }
  outline(context, scene, look)
}

function outline(context: CanvasRenderingContext2D, scene: FlameScene, look: Look): void {
  if (scene.selected === null) return
  const at = scene.flame.laneOf[scene.selected] ?? 0
  const row = scene.flame.lanes[at]?.find((candidate) => candidate.index === scene.selected)
  if (!row) return
  const perNs = scene.width / (scene.part.to - scene.part.from)
  const x = (startOf(row, scene.skew) - scene.part.from) * perNs
  context.strokeStyle = look.ink
  context.lineWidth = 2
  context.strokeRect(x - 1, at * LANE - scene.top - 1, Math.max(3, row.duration * perNs + 1), BAR + 2)
}

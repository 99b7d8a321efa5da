// SPDX-License-Identifier: Apache-2.0
// Draws a stretch of the waterfall: tree lines, grid, bars, critical path, events. Reads tokens once per paint.
import { duration } from '../base/format'
import { token } from '../base/theme'
import { hops } from './hops'
import { ticksOf, type Part, type Row, type Trace } from './model'

export const ROW = 21
const BAR = 10
const LINE = 2

export interface Look {
  ink: string
  muted: string
  line: string
  accent: string
  error: string
  paper: string
  surface: string
  onBar: string
}

export function look(): Look {
  return {
    ink: token('--ink'),
    muted: token('--muted'),
    line: token('--line'),
    accent: token('--accent'),
    error: token('--error'),
    paper: token('--paper'),
    surface: token('--surface'),
    onBar: token('--on-bar'),
  }
}

export interface Scene {
  trace: Trace
  rows: Row[]
  first: number
  last: number
  part: Part
  /** Where the bars begin and end, in pixels. */
  left: number
  right: number
  indent: number
  critical: boolean
  skew: boolean
  colours: Map<string, string>
}

export const TREE_LEFT = 16

function guides(context: CanvasRenderingContext2D, scene: Scene, row: Row, top: number): void {
  const x = (depth: number) => Math.round(TREE_LEFT + (depth + 0.5) * scene.indent) + 0.5
  if (row.parent < 0) return
  context.moveTo(x(row.depth - 1), top)
  context.lineTo(x(row.depth - 1), row.last ? top + ROW / 2 : top + ROW)
  context.moveTo(x(row.depth - 1), top + ROW / 2 + 0.5)
  context.lineTo(x(row.depth - 1) + scene.indent * 0.5, top + ROW / 2 + 0.5)
  for (
    let above = scene.trace.rows[row.parent];
    above && above.parent >= 0;
    above = scene.trace.rows[above.parent]
  ) {
    if (above.last) continue
    context.moveTo(x(above.depth - 1), top)
    context.lineTo(x(above.depth - 1), top + ROW)
  }
}

/** The ground of a row that stands for a trace, as the style sheet has it. */
function clear(
  context: CanvasRenderingContext2D,
  area: [number, number, number, number],
  colours: Look,
): void {
  const ink = context.fillStyle
  context.fillStyle = colours.paper
  context.fillRect(...area)
  context.fillStyle = colours.line
  context.globalAlpha = 0.4
  context.fillRect(...area)
  context.globalAlpha = 1
  context.fillStyle = ink
}

function label(
  context: CanvasRenderingContext2D,
  scene: Scene,
  row: Row,
  colours: Look,
  x: number,
  end: number,
  y: number,
): void {
  const text = duration(row.span.duration)
  const wide = context.measureText(text).width
  const visibleEnd = Math.min(end, scene.right)
  const visibleStart = Math.max(x, scene.left)
  context.fillStyle = row.error ? colours.error : colours.muted
  const beside = (at: number) => {
    // Lines between traces may run below.
    if (scene.trace.hops && row.head) clear(context, [at - 2, y - 7, wide + 4, 14], colours)
    else if (scene.trace.hops) context.strokeText(text, at, y)
    context.fillText(text, at, y)
  }
  context.strokeStyle = colours.paper
  context.lineWidth = 4
  context.lineJoin = 'round'
  if (visibleEnd + 6 + wide <= scene.right) beside(visibleEnd + 6)
  else if (visibleStart - 6 - wide >= scene.left) beside(visibleStart - 6 - wide)
  else if (visibleEnd - visibleStart > wide + 12) {
    context.fillStyle = colours.onBar
    context.fillText(text, visibleEnd - wide - 5, y)
  }
}

/** A whole trace: from when to when, and when its steps were. */
function whole(
  context: CanvasRenderingContext2D,
  row: Row,
  colours: Look,
  [from, to, y]: [number, number, number],
  place: (ns: number) => number,
): void {
  context.fillStyle = colours.muted
  context.fillRect(from, y + 3, to - from, 2)
  context.fillRect(from, y + 3, 2, 6)
  context.fillRect(Math.max(from, to - 2), y + 3, 2, 6)
  context.fillStyle = colours.accent
  for (const [start, stop] of row.steps ?? []) {
    const [a, b] = [Math.max(from, place(start)), Math.min(to, place(stop))]
    if (b >= a) context.fillRect(a, y - 1, Math.max(3, b - a), 2)
  }
}

function bar(context: CanvasRenderingContext2D, scene: Scene, row: Row, colours: Look, top: number): void {
  const shift = scene.skew ? row.skew : 0
  const perNs = (scene.right - scene.left) / (scene.part.to - scene.part.from)
  const place = (ns: number) => scene.left + (ns + shift - scene.part.from) * perNs
  const x = place(row.start)
  const end = Math.max(x + 2, place(row.start + row.duration))
  if (end < scene.left || x > scene.right) return
  // Bars that go beyond the edge are cut there: a canvas must not be asked for widths of millions of pixels.
  const from = Math.max(x, scene.left - 4)
  const to = Math.min(end, scene.right + 4)
  const y = top + 4
  if (row.head) {
    whole(context, row, colours, [from, to, y], place)
    label(context, scene, row, colours, from, to, y + BAR / 2 + 0.5)
    return
  }
  context.globalAlpha = scene.critical && row.critical.length === 0 ? 0.62 : 1
  context.fillStyle = scene.colours.get(row.span.service) ?? colours.muted
  context.beginPath()
  context.roundRect(from, y, to - from, BAR, Math.min(2, (to - from) / 2))
  context.fill()
  context.globalAlpha = 1
  if (row.step) {
    context.fillStyle = colours.accent
    context.fillRect(from, y - 3, Math.max(3, to - from), 2)
  }
  if (row.error) {
    context.strokeStyle = colours.error
    context.lineWidth = 1.25
    context.beginPath()
    context.roundRect(from - 1.5, y - 1.5, to - from + 3, BAR + 3, 3)
    context.stroke()
  }
  for (const tick of row.ticks) {
    const at = place(tick.at)
    if (at < scene.left || at > scene.right) continue
    context.fillStyle = colours.surface
    context.fillRect(at - 1.5, y - 1, 3, BAR + 2)
    context.fillStyle = tick.error ? colours.error : colours.ink
    context.fillRect(at - 0.5, y - 1, 1, BAR + 2)
  }
  if (scene.critical) {
    context.fillStyle = colours.ink
    for (const [start, stop] of row.critical) {
      const a = Math.max(scene.left, place(start))
      const b = Math.min(scene.right, place(stop))
      if (b >= a) context.fillRect(a, y + BAR + 1.5, Math.max(1, b - a), LINE)
    }
  }
  label(context, scene, row, colours, from, to, y + BAR / 2 + 0.5)
}

function gaps(
  context: CanvasRenderingContext2D,
  scene: Scene,
  colours: Look,
  place: (at: number) => number,
  height: number,
): void {
  context.fillStyle = colours.line
  context.globalAlpha = 0.45
  for (const gap of scene.trace.gaps ?? []) {
    const from = Math.max(scene.left, place(gap.from))
    const to = Math.min(scene.right, place(gap.to))
    if (to > from) context.fillRect(from, 0, to - from, height)
  }
  context.globalAlpha = 1
}

/** Paints rows first…last; `context` begins at the top of row `first`. */
export function paint(context: CanvasRenderingContext2D, scene: Scene, colours: Look): void {
  const height = (scene.last - scene.first) * ROW
  context.strokeStyle = colours.line
  context.lineWidth = 1
  context.beginPath()
  const perNs = (scene.right - scene.left) / (scene.part.to - scene.part.from)
  const place = (at: number) => scene.left + (at - scene.part.from) * perNs
  gaps(context, scene, colours, place, height)
  for (const { at } of ticksOf(scene.trace, scene.part, Math.max(2, (scene.right - scene.left) / 100))) {
    const x = Math.round(place(at)) + 0.5
    context.moveTo(x, 0)
    context.lineTo(x, height)
  }
  for (let at = scene.first; at < scene.last; at++) {
    const row = scene.rows[at]
    if (row) guides(context, scene, row, (at - scene.first) * ROW)
  }
  context.stroke()
  context.font = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif'
  context.textBaseline = 'middle'
  context.save()
  context.beginPath()
  context.rect(scene.left - 4, 0, scene.right - scene.left + 8, height)
  context.clip()
  hops(context, scene, colours, place)
  for (let at = scene.first; at < scene.last; at++) {
    const row = scene.rows[at]
    if (row) bar(context, scene, row, colours, (at - scene.first) * ROW)
  }
  context.restore()
}

// SPDX-License-Identifier: Apache-2.0
// Lines of a run's waterfall from what was published to what consumed it, between traces.
import type { Row } from './model'
import { ROW, type Look, type Scene } from './paint'

/** Of more that cross the part that is seen, the first are drawn. */
const DRAWN_MAX = 400
const BEND = 28

const known = new WeakMap<Row[], Map<number, number>>()

/** Where each row stands among those that are not folded away. */
function placesOf(rows: Row[]): Map<number, number> {
  const before = known.get(rows)
  if (before) return before
  const places = new Map(rows.map((row, at) => [row.index, at]))
  known.set(rows, places)
  return places
}

/** Where the row stands, or the one that it is folded into. */
function visible(scene: Scene, places: Map<number, number>, index: number): number | null {
  for (let row = scene.trace.rows[index]; row; row = scene.trace.rows[row.parent]) {
    const at = places.get(row.index)
    if (at !== undefined) return at
  }
  return null
}

function arrow(
  context: CanvasRenderingContext2D,
  [x, y]: [number, number],
  [toX, toY]: [number, number],
): void {
  const bend = Math.max(BEND, Math.abs(toX - x) / 3)
  context.beginPath()
  context.moveTo(x, y)
  context.bezierCurveTo(x + bend, y, toX - bend, toY, toX - 5, toY)
  context.stroke()
  context.beginPath()
  context.moveTo(toX, toY)
  context.lineTo(toX - 6, toY - 3)
  context.lineTo(toX - 6, toY + 3)
  context.fill()
}

export function hops(
  context: CanvasRenderingContext2D,
  scene: Scene,
  colours: Look,
  place: (at: number) => number,
): void {
  const all = scene.trace.hops ?? []
  if (all.length === 0) return
  const places = placesOf(scene.rows)
  const middle = (at: number) => (at - scene.first) * ROW + ROW / 2 - 1.5
  context.strokeStyle = colours.ink
  context.fillStyle = colours.ink
  context.globalAlpha = 0.55
  context.lineWidth = 1.25
  let drawn = 0
  for (const hop of all) {
    const from = visible(scene, places, hop.from)
    const to = visible(scene, places, hop.to)
    if (from === null || to === null || from === to) continue
    const seen = Math.max(from, to) >= scene.first && Math.min(from, to) < scene.last
    if (!seen || ++drawn > DRAWN_MAX) continue
    // Folded away or not, it happened when it did.
    const [sent, taken] = [scene.trace.rows[hop.from], scene.trace.rows[hop.to]]
    if (!sent || !taken) continue
    const x = place(sent.start + sent.duration)
    const toX = place(taken.start)
    if (Math.max(x, toX) < scene.left || Math.min(x, toX) > scene.right) continue
    arrow(context, [x, middle(from)], [toX, middle(to)])
  }
  context.globalAlpha = 1
}

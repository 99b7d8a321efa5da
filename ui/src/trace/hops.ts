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

/** The row itself, or the one that it is folded into. */
function visible(scene: Scene, places: Map<number, number>, index: number): [number, Row] | null {
  for (let row = scene.trace.rows[index]; row; row = scene.trace.rows[row.parent]) {
    const at = places.get(row.index)
    if (at !== undefined) return [at, row]
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
    if (!from || !to || from[0] === to[0]) continue
    const seen = Math.max(from[0], to[0]) >= scene.first && Math.min(from[0], to[0]) < scene.last
    if (!seen || ++drawn > DRAWN_MAX) continue
    const x = place(from[1].start + from[1].duration)
    const toX = place(to[1].start)
    if (Math.max(x, toX) < scene.left || Math.min(x, toX) > scene.right) continue
    arrow(context, [x, middle(from[0])], [toX, middle(to[0])])
  }
  context.globalAlpha = 1
}

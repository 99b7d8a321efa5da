// SPDX-License-Identifier: Apache-2.0
// Where the lines run. Layers are columns; between two columns a line is one cubic with horizontal tangents.
// A line that skips a column crosses it on a straight lane between that column's boxes, so that no line runs
// under a box. Ports on a box's side and lanes in a gap are sorted by where the line comes from or goes to,
// so that lines with a common end never cross. Lines against the layers run from right to left in the same way.
import type { Box, Scene } from './scene'

export interface Route {
  d: string
  /** `above`: the line comes down to its end, so what is written near it stands below. */
  end: { x: number; y: number; left: boolean; above: boolean }
  /** The middle of the last bend: where a label stands. */
  middle: { x: number; y: number }
  /** A coarse polyline for finding what lies under the pointer. */
  points: number[]
}

interface Column {
  left: number
  right: number
  /** Taken stretches of y, sorted and apart from each other. */
  taken: [number, number][]
}

interface Lane {
  column: number
  y: number
  wanted: number
  towards: number
}

interface Trip {
  key: string
  from: Box
  to: Box
  fromId: string
  toId: string
  leaves: 'left' | 'right'
  arrives: 'left' | 'right'
  startY: number
  endY: number
  lanes: Lane[]
}

const PORT_SPACING = 6
const LANE_SPACING = 7
const CLEARANCE = 12
const ARROW = 6
const QUEUE_REACH = 33

function columnsOf(scene: Scene): Map<number, Column> {
  const columns = new Map<number, Column>()
  for (const box of scene.boxes.values()) {
    if (box.free) continue
    const column = columns.get(box.layer) ?? { left: Infinity, right: -Infinity, taken: [] }
    column.left = Math.min(column.left, box.x)
    column.right = Math.max(column.right, box.x + box.width)
    const middle = box.y + box.height / 2
    const reach = Math.max(box.height / 2, box.node.type === 'queue' ? QUEUE_REACH : 0) + CLEARANCE
    column.taken.push([middle - reach, middle + reach])
    columns.set(box.layer, column)
  }
  for (const column of columns.values()) {
    column.taken.sort((a, b) => a[0] - b[0])
    const merged: [number, number][] = []
    for (const [low, high] of column.taken) {
      const last = merged.at(-1)
      if (last && low <= last[1]) last[1] = Math.max(last[1], high)
      else merged.push([low, high])
    }
    column.taken = merged
  }
  return columns
}

/** The free stretch of a column nearest to y: its ends. */
function gapNear(column: Column, y: number): [number, number] {
  let below = 0
  let above = column.taken.length
  while (below < above) {
    const half = (below + above) >> 1
    if ((column.taken[half]?.[1] ?? Infinity) < y) below = half + 1
    else above = half
  }
  const block = column.taken[below]
  const before = column.taken[below - 1]?.[1] ?? -Infinity
  if (!block || y <= block[0]) return [before, block?.[0] ?? Infinity]
  const after = column.taken[below + 1]?.[0] ?? Infinity
  return y - block[0] < block[1] - y ? [before, block[0]] : [block[1], after]
}

function nodeMiddle(box: Box, id: string): number {
  if (id === box.node.id) {
    // What has a list inside is met at its head.
    const listed = box.tables.length > 0 || box.node.operations !== undefined
    return listed ? box.y + 24 : box.y + box.height / 2
  }
  const table = box.tables.find((candidate) => candidate.id === id)?.layout
  return table ? table.y + table.height / 2 : box.y + box.height / 2
}

function clampTo(column: Column, y: number): number {
  const [low, high] = gapNear(column, y)
  return Math.min(Math.max(y, low), high)
}

const BEND = 24

function step(from: number, to: number): number {
  const by = Math.abs(to - from)
  return by > 1 ? by + BEND : 0
}

/** The way over the columns with the least up and down and the fewest bends, by dynamic programming. */
function cheapest(columns: Column[], heights: number[], startY: number, endY: number): number[] {
  let ways = [{ y: startY, cost: 0, path: [] as number[] }]
  for (const column of columns) {
    const places = [...new Set(heights.map((y) => clampTo(column, y)))]
    ways = places.map((y) => {
      let best = { y, cost: Infinity, path: [] as number[] }
      for (const way of ways) {
        const cost = way.cost + step(way.y, y)
        if (cost < best.cost) best = { y, cost, path: [...way.path, y] }
      }
      return best
    })
  }
  let best = ways[0]
  for (const way of ways)
    if (best && way.cost + step(way.y, endY) < best.cost + step(best.y, endY)) best = way
  return best?.path ?? []
}

function lanesOf(trip: Trip, columns: Map<number, Column>, order: number[]): Lane[] {
  const first = order.indexOf(trip.from.layer)
  const last = order.indexOf(trip.to.layer)
  const direction = Math.sign(last - first)
  const layers: number[] = []
  for (let at = first + direction; direction !== 0 && at !== last; at += direction)
    layers.push(order[at] ?? 0)
  const crossed = layers.map((layer) => columns.get(layer)).filter((column) => column !== undefined)
  const between = layers.map(
    (_, at) => trip.startY + ((trip.endY - trip.startY) * (at + 1)) / (layers.length + 1),
  )
  const wishes = [trip.startY, trip.endY, ...between]
  // What is free in one column is worth trying in the others: a lane may then run straight on.
  const heights = [
    ...new Set([...wishes, ...crossed.flatMap((column) => wishes.map((y) => clampTo(column, y)))]),
  ]
  const path = cheapest(crossed, heights, trip.startY, trip.endY)
  return layers.map((column, at) => ({
    column,
    y: path[at] ?? trip.endY,
    wanted: path[at] ?? trip.endY,
    towards: trip.endY,
  }))
}

/** Puts values at least `spacing` apart within [low, high], as near to where they want to be as order allows. */
export function spread(wanted: number[], spacing: number, low: number, high: number): number[] {
  const room = high - low
  const apart = wanted.length > 1 ? Math.min(spacing, Math.max(0, room) / (wanted.length - 1)) : 0
  const out: number[] = []
  for (const [index, value] of wanted.entries()) {
    const previous = out[index - 1]
    const least = low + index * apart
    const most = high - (wanted.length - 1 - index) * apart
    const clear = previous === undefined ? value : Math.max(value, previous + apart)
    out.push(Math.min(Math.max(clear, least), most))
  }
  // The pass above pushes only downwards; move groups that touch back to their common middle.
  let start = 0
  for (let index = 1; index <= out.length; index++) {
    const here = out[index]
    const before = out[index - 1] ?? 0
    if (here !== undefined && here - before <= apart + 0.01) continue
    let shift = 0
    for (let at = start; at < index; at++) shift += (wanted[at] ?? 0) - (out[at] ?? 0)
    shift /= index - start
    const floor = start === 0 ? low : (out[start - 1] ?? low) + apart
    const ceiling = here === undefined ? high : here - apart
    shift = Math.max(floor - (out[start] ?? 0), Math.min(shift, ceiling - before))
    for (let at = start; at < index; at++) out[at] = (out[at] ?? 0) + shift
    start = index
  }
  return out
}

function settleLanes(trips: Trip[], columns: Map<number, Column>): void {
  const gaps = new Map<string, Lane[]>()
  for (const trip of trips) {
    for (const lane of trip.lanes) {
      const column = columns.get(lane.column)
      if (!column) continue
      const key = `${lane.column}:${gapNear(column, lane.wanted)[0]}`
      gaps.set(key, [...(gaps.get(key) ?? []), lane])
    }
  }
  for (const lanes of gaps.values()) {
    const first = lanes[0]
    const column = first && columns.get(first.column)
    if (!first || !column) continue
    const [low, high] = gapNear(column, first.wanted)
    lanes.sort((a, b) => a.wanted - b.wanted || a.towards - b.towards)
    const places = spread(
      lanes.map((lane) => lane.wanted),
      LANE_SPACING,
      low,
      high,
    )
    for (const [index, lane] of lanes.entries()) lane.y = places[index] ?? lane.wanted
  }
}

interface End {
  trip: Trip
  first: boolean
  /** The y of the next bend. */
  sort: number
}

function settlePorts(trips: Trip[]): void {
  const sides = new Map<string, { box: Box; id: string; ends: End[] }>()
  const add = (box: Box, id: string, side: string, end: End) => {
    const key = `${id} ${side}`
    const group = sides.get(key) ?? { box, id, ends: [] }
    group.ends.push(end)
    sides.set(key, group)
  }
  for (const trip of trips) {
    add(trip.from, trip.fromId, trip.leaves, { trip, first: true, sort: trip.lanes[0]?.y ?? trip.endY })
    add(trip.to, trip.toId, trip.arrives, { trip, first: false, sort: trip.lanes.at(-1)?.y ?? trip.startY })
  }
  for (const { box, id, ends } of sides.values()) {
    const isTable = id !== box.node.id
    const middle = nodeMiddle(box, id)
    const reach = box.node.type === 'queue' ? 6 : isTable ? 9 : Math.min(box.height, 44 + ends.length) / 2 - 3
    ends.sort((a, b) => a.sort - b.sort || other(a).localeCompare(other(b)))
    const spacing = Math.min(
      box.node.type === 'queue' ? 0 : PORT_SPACING,
      (2 * reach) / Math.max(1, ends.length - 1),
    )
    for (const [index, end] of ends.entries()) {
      const y = middle + (index - (ends.length - 1) / 2) * spacing
      if (end.first) end.trip.startY = y
      else end.trip.endY = y
    }
  }
}

/** A line that is all but straight is made straight, where its end or lane has no neighbour to disturb. */
function straighten(trips: Trip[], scene: Scene): void {
  const users = new Map<string, number>()
  const count = (key: string) => users.set(key, (users.get(key) ?? 0) + 1)
  for (const trip of trips) {
    count(`${trip.fromId} ${trip.leaves}`)
    count(`${trip.toId} ${trip.arrives}`)
    for (const lane of trip.lanes) count(`${lane.column} ${Math.round(lane.y / 24)}`)
  }
  const alone = (key: string) => users.get(key) === 1
  const near = (a: number, b: number) => Math.abs(a - b) <= 6
  for (const trip of trips) {
    let y = trip.startY
    for (const lane of trip.lanes) {
      if (near(lane.y, y) && alone(`${lane.column} ${Math.round(lane.y / 24)}`)) lane.y = y
      y = lane.y
    }
    const queue = scene.nodes.get(trip.toId)?.type === 'queue'
    if (near(trip.endY, y) && !queue && alone(`${trip.toId} ${trip.arrives}`)) trip.endY = y
    const next = trip.lanes[0]?.y ?? trip.endY
    if (near(trip.startY, next) && alone(`${trip.fromId} ${trip.leaves}`)) trip.startY = next
  }
}

function other(end: End): string {
  return end.first ? end.trip.toId : end.trip.fromId
}

class Pen {
  d = ''
  points: number[] = []
  middle = { x: 0, y: 0 }
  constructor(
    private x: number,
    private y: number,
  ) {
    this.d = `M${round(x)} ${round(y)}`
    this.points.push(x, y)
  }
  line(x: number, y: number): void {
    if (x === this.x && y === this.y) return
    this.d += `L${round(x)} ${round(y)}`
    this.move(x, y)
  }
  bend(x: number, y: number): void {
    const half = (this.x + x) / 2
    // Beyond the middle, where a fan of lines from one box has opened.
    const t = 0.6
    const up = t * t * (3 - 2 * t)
    this.middle = {
      x: this.x + (x - this.x) * (1.5 * t * (1 - t) + t * t * t),
      y: this.y + (y - this.y) * up,
    }
    if (Math.abs(y - this.y) < 0.5) {
      this.line(x, y)
      return
    }
    this.curve(half, this.y, half, y, x, y)
  }
  curve(ax: number, ay: number, bx: number, by: number, x: number, y: number): void {
    this.d += `C${round(ax)} ${round(ay)} ${round(bx)} ${round(by)} ${round(x)} ${round(y)}`
    for (let step = 1; step < 8; step++) {
      const t = step / 8
      const u = 1 - t
      this.points.push(
        u * u * u * this.x + 3 * u * u * t * ax + 3 * u * t * t * bx + t * t * t * x,
        u * u * u * this.y + 3 * u * u * t * ay + 3 * u * t * t * by + t * t * t * y,
      )
    }
    this.move(x, y)
  }
  private move(x: number, y: number): void {
    this.x = x
    this.y = y
    this.points.push(x, y)
  }
}

function round(n: number): number {
  return Math.round(n * 10) / 10
}

function edgeX(box: Box, side: 'left' | 'right'): number {
  return side === 'left' ? box.x : box.x + box.width
}

/** To or from a box that was put somewhere by hand: one bend, whatever lies between. */
function drawFree(trip: Trip): Route {
  const back = trip.arrives === 'right'
  const startX = edgeX(trip.from, trip.leaves)
  const endX = edgeX(trip.to, trip.arrives)
  const tipX = endX + (back ? ARROW : -ARROW)
  const pen = new Pen(startX, trip.startY)
  const reach = Math.max(24, Math.abs(tipX - startX) / 2) * (back ? -1 : 1)
  pen.curve(startX + reach, trip.startY, tipX - reach, trip.endY, tipX, trip.endY)
  const middle = { x: (startX + tipX) / 2, y: (trip.startY + trip.endY) / 2 }
  const above = trip.startY < trip.endY - 10
  return { d: pen.d, end: { x: endX, y: trip.endY, left: back, above }, middle, points: pen.points }
}

function draw(trip: Trip, columns: Map<number, Column>): Route {
  if (isFree(trip)) return drawFree(trip)
  const back = trip.arrives === 'right'
  const startX = edgeX(trip.from, trip.leaves)
  const endX = edgeX(trip.to, trip.arrives)
  const tipX = endX + (back ? ARROW : -ARROW)
  const pen = new Pen(startX, trip.startY)
  if (trip.leaves === trip.arrives) {
    const out = Math.max(startX, endX) + 22 + Math.min(18, Math.abs(trip.endY - trip.startY) / 12)
    pen.curve(out, trip.startY, out, trip.endY, tipX, trip.endY)
    const middle = {
      x: Math.max(startX, endX) + (out - Math.max(startX, endX)) * 0.75,
      y: (trip.startY + trip.endY) / 2,
    }
    return {
      d: pen.d,
      end: { x: endX, y: trip.endY, left: true, above: trip.startY < trip.endY },
      middle,
      points: pen.points,
    }
  }
  // To the column's edge first where the box is narrower than its column.
  const own = columns.get(trip.from.layer)
  if (own) pen.line(back ? own.left : own.right, trip.startY)
  for (const lane of trip.lanes) {
    const column = columns.get(lane.column)
    if (!column) continue
    pen.bend(back ? column.right : column.left, lane.y)
    pen.line(back ? column.left : column.right, lane.y)
  }
  const theirs = columns.get(trip.to.layer)
  const bendTo = theirs
    ? back
      ? Math.max(theirs.right + ARROW, tipX)
      : Math.min(theirs.left - ARROW, tipX)
    : tipX
  pen.bend(bendTo, trip.endY)
  pen.line(tipX, trip.endY)
  const above = (trip.lanes.at(-1)?.y ?? trip.startY) < trip.endY - 10
  return {
    d: pen.d,
    end: { x: endX, y: trip.endY, left: back, above },
    middle: pen.middle,
    points: pen.points,
  }
}

function isFree(trip: Trip): boolean {
  return trip.from.free || trip.to.free
}

/** Whether a line runs from right to left. Boxes put by hand tell by where they stand, others by their layer. */
function runsBack(from: Box, to: Box): boolean {
  if (!from.free && !to.free) return from.layer > to.layer
  return to.x + to.width / 2 < from.x + from.width / 2
}

export function routes(scene: Scene): Map<string, Route> {
  const columns = columnsOf(scene)
  const order = [...columns.keys()].sort((a, b) => a - b)
  const trips: Trip[] = []
  for (const line of scene.lines) {
    const from = scene.boxes.get(scene.boxOf.get(line.from) ?? '')
    const to = scene.boxes.get(scene.boxOf.get(line.to) ?? '')
    if (!from || !to) continue
    const backwards = runsBack(from, to)
    const sameLayer = from.layer === to.layer && !from.free && !to.free
    const trip: Trip = {
      key: line.key,
      from,
      to,
      fromId: line.from,
      toId: line.to,
      leaves: backwards ? 'left' : 'right',
      arrives: backwards || sameLayer ? 'right' : 'left',
      startY: nodeMiddle(from, line.from),
      endY: nodeMiddle(to, line.to),
      lanes: [],
    }
    if (!isFree(trip)) trip.lanes = lanesOf(trip, columns, order)
    trips.push(trip)
  }
  settleLanes(trips, columns)
  settlePorts(trips)
  straighten(trips, scene)
  return new Map(trips.map((trip) => [trip.key, draw(trip, columns)]))
}

/** The line nearest to a point, at most `within` away. */
export function nearest(all: Map<string, Route>, x: number, y: number, within: number): string | null {
  let best: string | null = null
  let least = within * within
  for (const [key, { points }] of all) {
    for (let at = 0; at + 3 < points.length; at += 2) {
      const distance = toSegment(
        x,
        y,
        points[at] ?? 0,
        points[at + 1] ?? 0,
        points[at + 2] ?? 0,
        points[at + 3] ?? 0,
      )
      if (distance < least) {
        least = distance
        best = key
      }
    }
  }
  return best
}

function toSegment(x: number, y: number, ax: number, ay: number, bx: number, by: number): number {
  const dx = bx - ax
  const dy = by - ay
  const length = dx * dx + dy * dy
  const t = length === 0 ? 0 : Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / length))
  return (x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2
}

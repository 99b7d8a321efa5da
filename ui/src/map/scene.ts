// SPDX-License-Identifier: Apache-2.0
// The picture's model: boxes at the server's positions, and one line per pair of ends and kind of relation.
import { plural, rate } from '../base/format'
import type { Hop, MapAnswer, MapEdge, MapNode, Relation } from '../api/types'

export interface Box {
  node: MapNode
  x: number
  y: number
  width: number
  height: number
  layer: number
  tables: MapNode[]
  /** Tables that are folded into the box. */
  folded: number
  /** Put there by hand: it belongs to no column. */
  free: boolean
}

export type LineKind = 'calls' | 'access' | 'queue'

/** What is drawn between two nodes. `from` → `to` is the arrow, which for `consumes` is not the edge's. */
export interface Line {
  key: string
  kind: LineKind
  from: string
  to: string
  edges: MapEdge[]
  count: number
  errors: number
  p99: number | null
}

export interface Marks {
  reads: boolean
  writes: boolean
}

export interface Scene {
  answer: MapAnswer
  nodes: Map<string, MapNode>
  edges: Map<string, MapEdge>
  boxes: Map<string, Box>
  lines: Line[]
  /** The box in which a node is drawn: its own, or for a table its database's. */
  boxOf: Map<string, string>
  /** What a line ends at: the node itself, or for a table of a folded database the database. */
  endOf: Map<string, string>
  marks: Map<string, Marks>
  traffic: Map<string, number>
  hops: Map<string, Hop[]>
  minutes: number
  /** What counts are: a rate, or in the picture of one trace spans. */
  unit: 'rate' | 'spans'
}

/** A count of the scene in its unit. */
export function amount(scene: Scene, count: number): string {
  return scene.unit === 'spans' ? plural(count, 'span') : rate(count / scene.minutes)
}

const KINDS: Record<Relation, LineKind> = {
  calls: 'calls',
  reads: 'access',
  writes: 'access',
  accesses: 'access',
  publishes: 'queue',
  consumes: 'queue',
  performs: 'calls',
  follows: 'calls',
}

/** Minutes of the window that have happened: rates of a live window are over what was there to count. */
export function minutesOf(answer: MapAnswer): number {
  const from = Date.parse(answer.from)
  const complete = Date.parse(answer.complete_to ?? answer.to)
  const to = Math.min(Date.parse(answer.to), Number.isNaN(complete) ? Infinity : complete)
  return Math.max(1, (to - from) / 60e3)
}

const FOLDED_HEIGHT = 60

/** A folded database stands in the middle of the room that its open form has: nothing else moves. */
function fold(box: Box): Box {
  const height = Math.min(box.height, FOLDED_HEIGHT)
  return { ...box, y: box.y + (box.height - height) / 2, height, tables: [], folded: box.tables.length }
}

const BELOW_TABLES = 8

/** The room of tables that are not in this window stays free, but the box does not go around it. */
function trimmed(box: Box): Box {
  const ends = box.tables.map((table) => (table.layout?.y ?? 0) + (table.layout?.height ?? 0))
  const height = Math.max(...ends) + BELOW_TABLES - box.y
  return height > 0 && height < box.height ? { ...box, height } : box
}

/** How much a table is used, as a power of two: it changes its place only when it is used much more or less. */
const magnitudes = new Map<string, number>()
const LOYALTY = 0.8

function magnitudeOf(id: string, count: number): number {
  const exact = Math.log2(count + 1)
  const before = magnitudes.get(id)
  if (before !== undefined && Math.abs(exact - before - 0.5) < LOYALTY) return before
  magnitudes.set(id, Math.floor(exact))
  return Math.floor(exact)
}

/** The busiest first, in the places that the server gave to all of them. */
function byUse(tables: MapNode[], counts: Map<string, number>): MapNode[] {
  const places = tables
    .map((table) => table.layout)
    .filter((at) => at !== undefined)
    .sort((a, b) => a.y - b.y)
  if (places.length < tables.length) return tables
  const use = new Map(tables.map((table) => [table.id, magnitudeOf(table.id, counts.get(table.id) ?? 0)]))
  return [...tables]
    .sort((a, b) => (use.get(b.id) ?? 0) - (use.get(a.id) ?? 0) || a.name.localeCompare(b.name))
    .map((table, at) => {
      const layout = places[at]
      return layout ? { ...table, layout } : table
    })
}

function boxesOf(
  { nodes, edges }: MapAnswer,
  boxOf: Map<string, string>,
  isFolded: (box: Box) => boolean,
  pinned: ReadonlySet<string>,
): Map<string, Box> {
  const boxes = new Map<string, Box>()
  for (const node of nodes) {
    const at = node.layout
    if (node.type === 'table' || !at) continue
    boxes.set(node.id, {
      node,
      x: at.x,
      y: at.y,
      width: at.width,
      height: at.height,
      layer: at.layer,
      tables: [],
      folded: 0,
      free: pinned.has(node.id),
    })
    boxOf.set(node.id, node.id)
  }
  for (const node of nodes) {
    const parent = node.type === 'table' ? boxes.get(node.parent ?? '') : undefined
    if (!parent) continue
    parent.tables.push(node)
    boxOf.set(node.id, parent.node.id)
  }
  const counts = new Map<string, number>()
  for (const edge of edges) counts.set(edge.target, (counts.get(edge.target) ?? 0) + edge.count)
  for (const [id, box] of boxes) {
    box.tables = byUse(box.tables, counts)
    if (box.tables.length > 0) boxes.set(id, isFolded(box) ? fold(box) : trimmed(box))
  }
  return boxes
}

function linesOf(answer: MapAnswer, boxOf: Map<string, string>, endOf: Map<string, string>): Line[] {
  const lines = new Map<string, Line>()
  for (const edge of answer.edges) {
    if (!boxOf.has(edge.source) || !boxOf.has(edge.target)) continue
    const turned = edge.relation === 'consumes'
    const end = (id: string) => endOf.get(id) ?? id
    const from = end(turned ? edge.target : edge.source)
    const to = end(turned ? edge.source : edge.target)
    const kind = KINDS[edge.relation]
    const key = `${from} ${to} ${kind}`
    const line = lines.get(key) ?? { key, kind, from, to, edges: [], count: 0, errors: 0, p99: null }
    line.edges.push(edge)
    line.count += edge.count
    line.errors += edge.errors
    if (edge.duration) line.p99 = Math.max(line.p99 ?? 0, edge.duration.p99_ns)
    lines.set(key, line)
  }
  for (const line of lines.values()) line.edges.sort((a, b) => b.count - a.count)
  return [...lines.values()]
}

function marksOf(edges: MapEdge[], endOf: Map<string, string>): Map<string, Marks> {
  const marks = new Map<string, Marks>()
  for (const edge of edges) {
    if (edge.relation !== 'reads' && edge.relation !== 'writes') continue
    const end = endOf.get(edge.target) ?? edge.target
    const mark = marks.get(end) ?? { reads: false, writes: false }
    mark[edge.relation] = true
    marks.set(end, mark)
  }
  return marks
}

/** What went into each node; for services the server's own count of requests. */
function trafficOf(answer: MapAnswer, boxOf: Map<string, string>): Map<string, number> {
  const traffic = new Map<string, number>()
  const add = (id: string, count: number) => traffic.set(id, (traffic.get(id) ?? 0) + count)
  for (const edge of answer.edges) {
    if (edge.relation === 'consumes') continue
    add(edge.target, edge.count)
    const box = boxOf.get(edge.target)
    if (box !== undefined && box !== edge.target) add(box, edge.count)
  }
  for (const node of answer.nodes) if (node.requests !== undefined) traffic.set(node.id, node.requests)
  return traffic
}

function hopsOf(answer: MapAnswer): Map<string, Hop[]> {
  const hops = new Map<string, Hop[]>()
  for (const hop of answer.hops ?? []) hops.set(hop.queue, [...(hops.get(hop.queue) ?? []), hop])
  return hops
}

/** Few tables are shown at once, many only when asked for. */
const TABLES_SHOWN = 6
const NONE: ReadonlySet<string> = new Set()

/** `turned`: databases that the reader has opened or folded against that rule. */
export function sceneOf(
  answer: MapAnswer,
  turned: ReadonlySet<string> = NONE,
  pinned: ReadonlySet<string> = NONE,
): Scene {
  const boxOf = new Map<string, string>()
  const isFolded = (box: Box) => box.tables.length > TABLES_SHOWN !== turned.has(box.node.id)
  const boxes = boxesOf(answer, boxOf, isFolded, pinned)
  const endOf = new Map<string, string>()
  for (const [id, box] of boxOf) endOf.set(id, (boxes.get(box)?.folded ?? 0) > 0 ? box : id)
  return {
    answer,
    nodes: new Map(answer.nodes.map((node) => [node.id, node])),
    edges: new Map(answer.edges.map((edge) => [edge.id, edge])),
    boxes,
    lines: linesOf(answer, boxOf, endOf),
    boxOf,
    endOf,
    marks: marksOf(answer.edges, endOf),
    traffic: trafficOf(answer, boxOf),
    hops: hopsOf(answer),
    minutes: minutesOf(answer),
    unit: 'rate',
  }
}

/** The boxes within `hops` of the one that holds `focus`, in both directions. */
export function neighbourhood(scene: Scene, focus: string, hops: number): Set<string> {
  const start = scene.boxOf.get(focus)
  const seen = new Set<string>(start === undefined ? [] : [start])
  for (let hop = 0; hop < hops; hop++) {
    const before = new Set(seen)
    for (const line of scene.lines) {
      const from = scene.boxOf.get(line.from)
      const to = scene.boxOf.get(line.to)
      if (from === undefined || to === undefined) continue
      if (before.has(from)) seen.add(to)
      if (before.has(to)) seen.add(from)
    }
  }
  return seen
}

const COLUMN_GAP = 112
const ROW_GAP = 32

/** Boxes of a focus drawn together: the same order and layers, without the room that the others took. */
function gathered(boxes: Box[]): Map<string, Box> {
  const layers = new Map<number, Box[]>()
  for (const box of boxes) layers.set(box.layer, [...(layers.get(box.layer) ?? []), box])
  const columns = [...layers.entries()].sort((a, b) => a[0] - b[0]).map((entry) => entry[1])
  const out = new Map<string, Box>()
  let x = 0
  for (const column of columns) {
    column.sort((a, b) => a.y - b.y)
    const height = column.reduce((sum, box) => sum + box.height + ROW_GAP, -ROW_GAP)
    let y = -height / 2
    for (const box of column) {
      out.set(box.node.id, movedTo(box, x, y))
      y += box.height + ROW_GAP
    }
    x += Math.max(...column.map((box) => box.width)) + COLUMN_GAP
  }
  return out
}

function movedTo(box: Box, x: number, y: number): Box {
  const dx = x - box.x
  const dy = y - box.y
  const tables = box.tables.map((table) =>
    table.layout
      ? { ...table, layout: { ...table.layout, x: table.layout.x + dx, y: table.layout.y + dy } }
      : table,
  )
  return { ...box, x, y, tables, free: false }
}

/** The scene with only some boxes and the lines between them. */
export function only(scene: Scene, kept: Set<string>): Scene {
  const boxes = gathered([...scene.boxes.values()].filter((box) => kept.has(box.node.id)))
  const inside = (id: string) => kept.has(scene.boxOf.get(id) ?? '')
  return { ...scene, boxes, lines: scene.lines.filter((line) => inside(line.from) && inside(line.to)) }
}

export function bounds(scene: Scene): { x: number; y: number; width: number; height: number } {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity]
  for (const box of scene.boxes.values()) {
    // A queue's name stands above its pipe and its rate below, whatever room the layout left.
    const margin = box.node.type === 'queue' ? Math.max(0, 36 - box.height / 2) : 0
    left = Math.min(left, box.x)
    right = Math.max(right, box.x + box.width)
    top = Math.min(top, box.y - margin)
    bottom = Math.max(bottom, box.y + box.height + margin)
  }
  if (left > right) return { x: 0, y: 0, width: 0, height: 0 }
  return { x: left, y: top, width: right - left, height: bottom - top }
}

/** Changes only when lines have to be routed anew; counts do not matter. */
export function shapeKey(scene: Scene): string {
  const parts: string[] = []
  for (const box of scene.boxes.values())
    parts.push(`${box.node.id}@${box.x},${box.y},${box.width},${box.height}`)
  for (const line of scene.lines) parts.push(line.key)
  return parts.join('|')
}

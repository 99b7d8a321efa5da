// SPDX-License-Identifier: Apache-2.0
// Layers for what the server does not lay out: groups of the map, a single trace's map, a flow's steps. Few boxes,
// so the plain way will do: turn cycles, longest path, barycentres, then each box as near as order allows to the
// middle of its neighbours. Deterministic: the order of the input decides ties.

export interface Sized {
  id: string
  width: number
  height: number
}

export interface Place {
  x: number
  y: number
  layer: number
}

export interface Spacing {
  column: number
  row: number
}

/** From, to, and how much it wants to be straight (1 when absent). */
export type Arc = [from: string, to: string, weight?: number]

interface Neighbour {
  cell: Cell
  weight: number
}

interface Cell {
  /** A box, or a bend of an arc that skips layers. */
  box: Sized | null
  layer: number
  before: Neighbour[]
  after: Neighbour[]
  order: number
  y: number
  height: number
}

const SWEEPS = 6
/** Long chains come to rest slowly; a pass over few boxes costs nothing. */
const ALIGN_SWEEPS = 40

/** Arcs without those that lead back to where a walk came from. */
function withoutCycles(boxes: Sized[], arcs: Arc[]): Arc[] {
  const out = new Map<string, { to: string; weight: number }[]>(boxes.map((box) => [box.id, []]))
  const entered = new Map<string, number>()
  for (const [from, to, weight = 1] of arcs) {
    if (from === to || !out.has(to)) continue
    out.get(from)?.push({ to, weight })
    entered.set(to, (entered.get(to) ?? 0) + 1)
  }
  const state = new Map<string, 'open' | 'done'>()
  const kept: Arc[] = []
  const walk = (id: string) => {
    state.set(id, 'open')
    for (const { to, weight } of out.get(id) ?? []) {
      const seen = state.get(to)
      kept.push(seen === 'open' ? [to, id, weight] : [id, to, weight])
      if (seen === undefined) walk(to)
    }
    state.set(id, 'done')
  }
  const first = [...boxes].sort((a, b) => (entered.get(a.id) ?? 0) - (entered.get(b.id) ?? 0))
  for (const box of first) if (!state.has(box.id)) walk(box.id)
  return kept
}

function layersOf(boxes: Sized[], arcs: Arc[]): Map<string, number> {
  const into = new Map<string, string[]>()
  for (const [from, to] of arcs) into.set(to, [...(into.get(to) ?? []), from])
  const layers = new Map<string, number>()
  const layerOf = (id: string): number => {
    const known = layers.get(id)
    if (known !== undefined) return known
    const layer = Math.max(-1, ...(into.get(id) ?? []).map(layerOf)) + 1
    layers.set(id, layer)
    return layer
  }
  for (const box of boxes) layerOf(box.id)
  return layers
}

/** The cells of each layer, with a bend for every layer that an arc only crosses. */
function cellsOf(boxes: Sized[], arcs: Arc[]): Cell[][] {
  const layers = layersOf(boxes, arcs)
  const columns: Cell[][] = []
  const put = (box: Sized | null, layer: number): Cell => {
    const column = (columns[layer] ??= [])
    const cell = { box, layer, before: [], after: [], order: column.length, y: 0, height: box?.height ?? 8 }
    column.push(cell)
    return cell
  }
  const cells = new Map(boxes.map((box) => [box.id, put(box, layers.get(box.id) ?? 0)]))
  for (const [from, to, weight = 1] of arcs) {
    let at = cells.get(from)
    const end = cells.get(to)
    if (!at || !end) continue
    while (at.layer < end.layer) {
      const next: Cell = at.layer + 1 === end.layer ? end : put(null, at.layer + 1)
      at.after.push({ cell: next, weight })
      next.before.push({ cell: at, weight })
      at = next
    }
  }
  return columns
}

function mean(neighbours: Neighbour[], value: (cell: Cell) => number, otherwise: number): number {
  const whole = neighbours.reduce((sum, { weight }) => sum + weight, 0)
  return whole === 0
    ? otherwise
    : neighbours.reduce((sum, { cell, weight }) => sum + value(cell) * weight, 0) / whole
}

function order(columns: Cell[][]): void {
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const forth = sweep % 2 === 0
    const walk = forth ? columns : [...columns].reverse()
    for (const column of walk) {
      const wish = new Map(
        column.map((cell) => [
          cell,
          mean(forth ? cell.before : cell.after, (other) => other.order, cell.order),
        ]),
      )
      column.sort((a, b) => (wish.get(a) ?? 0) - (wish.get(b) ?? 0) || a.order - b.order)
      for (const [index, cell] of column.entries()) cell.order = index
    }
  }
}

/** Middles as near as can be to `wanted`, in order and apart: isotonic regression by pooling. */
export function settle(wanted: number[], heights: number[], gap: number, weights: number[] = []): number[] {
  const offsets: number[] = []
  for (const [index, height] of heights.entries()) {
    const before = index === 0 ? 0 : (offsets[index - 1] ?? 0) + (heights[index - 1] ?? 0) / 2 + gap
    offsets.push(index === 0 ? 0 : before + height / 2)
  }
  const pools: { sum: number; weight: number; count: number }[] = []
  for (const [index, value] of wanted.entries()) {
    const weight = weights[index] ?? 1
    pools.push({ sum: (value - (offsets[index] ?? 0)) * weight, weight, count: 1 })
    for (;;) {
      const last = pools.at(-1)
      const before = pools.at(-2)
      if (!last || !before || before.sum / before.weight <= last.sum / last.weight) break
      before.sum += last.sum
      before.weight += last.weight
      before.count += last.count
      pools.pop()
    }
  }
  return pools
    .flatMap((pool) => Array.from({ length: pool.count }, () => pool.sum / pool.weight))
    .map((value, index) => value + (offsets[index] ?? 0))
}

/** Where a cell wants to be: at the height of its strongest neighbours. */
function wish(cell: Cell): number {
  const all = [...cell.before, ...cell.after]
  const most = Math.max(0, ...all.map(({ weight }) => weight))
  return mean(
    all.filter(({ weight }) => weight >= most / 2),
    (other) => other.y,
    cell.y,
  )
}

function weightOf(cell: Cell): number {
  return Math.max(1e-6, ...[...cell.before, ...cell.after].map(({ weight }) => weight))
}

function align(columns: Cell[][], gap: number): void {
  const put = (column: Cell[], wanted: number[]) => {
    const heights = column.map((cell) => cell.height)
    const settled = settle(wanted, heights, gap, column.map(weightOf))
    for (const [index, cell] of column.entries()) cell.y = settled[index] ?? 0
  }
  for (const column of columns)
    put(
      column,
      column.map(() => 0),
    )
  for (let sweep = 0; sweep < ALIGN_SWEEPS; sweep++)
    for (const column of sweep % 2 === 0 ? columns : [...columns].reverse()) put(column, column.map(wish))
}

/** Top left corners, from (0, 0) on. */
export function layered(boxes: Sized[], arcs: Arc[], spacing: Spacing): Map<string, Place> {
  const columns = cellsOf(boxes, withoutCycles(boxes, arcs))
  order(columns)
  align(columns, spacing.row)
  const places = new Map<string, Place>()
  let x = 0
  for (const [layer, column] of columns.entries()) {
    for (const cell of column)
      if (cell.box) places.set(cell.box.id, { x, y: cell.y - cell.height / 2, layer })
    x += Math.max(0, ...column.map((cell) => cell.box?.width ?? 0)) + spacing.column
  }
  const top = Math.min(0, ...[...places.values()].map((place) => place.y))
  for (const place of places.values()) place.y = Math.round(place.y - top)
  return places
}

// SPDX-License-Identifier: Apache-2.0
// A flow as boxes and lines: steps from left to right, a disc where runs start and one for each way they end. The
// lines are routed like those of the map.
import { layered } from '../base/layered'
import { routes, type Route } from '../map/routing'
import { sceneOf } from '../map/scene'
import type { MapEdge, MapNode } from '../api/types'
import { groupsOf, sideBySide, type Arc, type Group } from './parallel'
import type { Flow, FlowFollow, FlowStep } from './types'

export const START = ':start'
export const FINISHED = ':finished'
export const FAILED = ':failed'
const WIDTH = 122
const HEIGHT = 60
const DISC = 24
const SPACING = { column: 56, row: 48 }

export interface StepBox {
  id: string
  step: FlowStep | null
  number: number
  x: number
  y: number
  width: number
  height: number
}

export interface FlowLine {
  key: string
  from: string
  to: string
  count: number
  share: number
  wait: number | null
  route: Route
}

export interface Drawing {
  boxes: Map<string, StepBox>
  lines: FlowLine[]
  loops: FlowFollow[]
  /** Follows that the slider hides, and their share of all runs together. */
  hidden: number
  hiddenShare: number
  /** The number that stands in a step's box and in the variants. */
  numbers: Map<string, number>
  /** Steps that come in any order, with where to say so. */
  groups: (Group & { x: number; y: number })[]
}

function arcsOf(flow: Flow): Arc[] {
  const arcs: Arc[] = flow.follows.map((follow) => ({
    from: follow.from,
    to: follow.to,
    count: follow.runs ?? follow.count,
    wait: follow.wait?.p50_ns ?? null,
  }))
  for (const [step, count] of Object.entries(flow.starts))
    arcs.push({ from: START, to: step, count, wait: null })
  const failed = new Map(flow.steps.map((step) => [step.name, step.failed_ends ?? 0]))
  for (const [step, count] of Object.entries(flow.ends)) {
    const bad = Math.min(count, failed.get(step) ?? 0)
    if (count > bad) arcs.push({ from: step, to: FINISHED, count: count - bad, wait: null })
    if (bad > 0) arcs.push({ from: step, to: FAILED, count: bad, wait: null })
  }
  return arcs
}

/** Numbers by where steps mostly stand in runs: the commonest variant first, then the others. */
function numbersOf(flow: Flow): Map<string, number> {
  const numbers = new Map<string, number>()
  const variants = [...flow.variants].sort((a, b) => b.runs - a.runs)
  for (const name of [
    ...variants.flatMap((variant) => variant.sequence),
    ...flow.steps.map((step) => step.name),
  ])
    if (!numbers.has(name)) numbers.set(name, numbers.size + 1)
  return numbers
}

function sceneFor(boxes: StepBox[], arcs: Arc[], layers: Map<string, number>) {
  const nodes: MapNode[] = boxes.map((box) => ({
    id: box.id,
    type: 'step',
    name: box.id,
    layout: { x: box.x, y: box.y, width: box.width, height: box.height, layer: layers.get(box.id) ?? 0 },
  }))
  const edges: MapEdge[] = arcs.map((arc) => ({
    id: `${arc.from}\n${arc.to}`,
    source: arc.from,
    target: arc.to,
    relation: 'follows',
    count: arc.count,
    errors: 0,
  }))
  return sceneOf({ from: '', to: '', nodes, edges, truncated: null })
}

/** Above the topmost of its boxes. */
function placed(group: Group, boxes: StepBox[]): (Group & { x: number; y: number })[] {
  const own = boxes.filter((box) => group.steps.includes(box.id))
  if (own.length < 2) return []
  const top = own.reduce((least, box) => (box.y < least.y ? box : least))
  return [{ ...group, x: top.x + top.width / 2, y: top.y - 12 }]
}

export function drawingOf(flow: Flow, least: number): Drawing {
  const runs = Math.max(1, flow.runs)
  const groups = groupsOf(flow)
  const runsOf = new Map(flow.steps.map((step) => [step.name, step.runs ?? step.count]))
  const all = groups.reduce(
    (arcs, group) => sideBySide(arcs, group, (step) => runsOf.get(step) ?? 0),
    arcsOf(flow),
  )
  const shown = all.filter((arc) => arc.count / runs >= least)
  const rare = all.filter((arc) => arc.count / runs < least)
  const ways = shown.filter((arc) => arc.from !== arc.to)
  const used = new Set(ways.flatMap((arc) => [arc.from, arc.to]))
  const steps = flow.steps.filter((step) => used.has(step.name))
  const sizes = [
    ...(used.has(START) ? [{ id: START, width: DISC, height: DISC }] : []),
    ...steps.map((step) => ({ id: step.name, width: WIDTH, height: HEIGHT })),
    ...[FINISHED, FAILED].filter((id) => used.has(id)).map((id) => ({ id, width: DISC, height: DISC })),
  ]
  const places = layered(
    sizes,
    [...ways]
      .sort((a, b) => b.count - a.count)
      .map((arc): [string, string, number] => [arc.from, arc.to, arc.count]),
    SPACING,
  )
  const numbers = numbersOf(flow)
  const byName = new Map(flow.steps.map((step) => [step.name, step]))
  const boxes = sizes.map((size) => {
    const at = places.get(size.id) ?? { x: 0, y: 0 }
    return { ...size, x: at.x, y: at.y, step: byName.get(size.id) ?? null, number: numbers.get(size.id) ?? 0 }
  })
  const layers = new Map([...places].map(([id, place]) => [id, place.layer]))
  const scene = sceneFor(boxes, ways, layers)
  const found = routes(scene)
  const lines = scene.lines.flatMap((line) => {
    const route = found.get(line.key)
    const arc = ways.find((candidate) => candidate.from === line.from && candidate.to === line.to)
    return route && arc ? [{ ...arc, key: line.key, share: arc.count / runs, route }] : []
  })
  return {
    boxes: new Map(boxes.map((box) => [box.id, box])),
    lines,
    loops: flow.follows.filter(
      (follow) =>
        follow.from === follow.to && used.has(follow.from) && (follow.runs ?? follow.count) / runs >= least,
    ),
    hidden: rare.length,
    hiddenShare: Math.min(1, rare.reduce((sum, arc) => sum + arc.count, 0) / runs),
    numbers,
    groups: groups.flatMap((group) => placed(group, boxes)),
  }
}

// SPDX-License-Identifier: Apache-2.0
// The part of the system that one trace touched, drawn like the map: what each span gave, and calls from service
// to service that no span gave by itself.
import { useMemo } from 'preact/hooks'
import type { MapAnswer, MapEdge, MapNode, NodeType, Relation } from '../api/types'
import { layered } from '../base/layered'
import { Picture } from '../map/picture'
import { sceneOf, type Scene } from '../map/scene'
import { textWidth } from '../map/text'
import type { Row, Trace } from './model'

const TYPES: Partial<Record<Relation, NodeType>> = {
  reads: 'database',
  writes: 'database',
  accesses: 'database',
  publishes: 'queue',
  consumes: 'queue',
}
const HEIGHT: Partial<Record<NodeType, number>> = { database: 60, queue: 62 }
const SPACING = { column: 112, row: 32 }

function widthOf(node: MapNode): number {
  // A database has its marks beside the name.
  const room = node.type === 'database' ? 68 : 28
  return Math.max(96, Math.min(220, Math.ceil(textWidth(node.name, 13, 600)) + room))
}

interface Drawing {
  nodes: Map<string, MapNode>
  edges: Map<string, MapEdge>
  /** The spans behind a node or an edge. */
  rows: Map<string, Row[]>
}

const service = (name: string) => `service ${name}`

class Draughtsman {
  drawing: Drawing = { nodes: new Map(), edges: new Map(), rows: new Map() }
  node(id: string, type: NodeType, name: string): MapNode {
    const before = this.drawing.nodes.get(id)
    if (before) return before
    const node: MapNode = { id, type, name, scope: 'default' }
    this.drawing.nodes.set(id, node)
    return node
  }
  note(id: string, row: Row): void {
    const rows = this.drawing.rows.get(id) ?? []
    rows.push(row)
    this.drawing.rows.set(id, rows)
  }
  edge(source: string, relation: Relation, target: string, row: Row): void {
    const id = `${source}\n${relation}\n${target}`
    const edge = this.drawing.edges.get(id) ?? { id, source, target, relation, count: 0, errors: 0 }
    edge.count++
    edge.errors += row.error ? 1 : 0
    const slowest = Math.max(edge.duration?.p99_ns ?? 0, row.duration)
    edge.duration = { p50_ns: slowest, p90_ns: slowest, p99_ns: slowest }
    this.drawing.edges.set(id, edge)
    this.note(id, row)
  }
}

/** What a span itself says that it touched. A call between two services of the trace is drawn from the tree. */
function touched(pen: Draughtsman, trace: Trace, row: Row): void {
  for (const element of row.span.map) {
    if (element.relation === 'performs' || element.relation === 'follows') continue
    if (element.source_name !== row.span.service) continue
    const known = trace.services.includes(element.target_name)
    if (element.relation === 'calls' && known) continue
    const type = TYPES[element.relation] ?? 'external'
    const id = `${type} ${element.target}`
    pen.node(id, type, element.target_name)
    pen.note(id, row)
    pen.edge(service(element.source_name), element.relation, id, row)
  }
}

function drawingOf(trace: Trace): Drawing {
  const pen = new Draughtsman()
  for (const row of trace.rows) {
    const here = service(row.span.service)
    const node = pen.node(here, 'service', row.span.service)
    node.requests = (node.requests ?? 0) + 1
    node.errors = (node.errors ?? 0) + (row.error ? 1 : 0)
    pen.note(here, row)
    const parent = trace.rows[row.parent]
    const consumes = row.span.map.some((element) => element.relation === 'consumes')
    if (parent && parent.span.service !== row.span.service && !consumes)
      pen.edge(service(parent.span.service), 'calls', here, row)
    touched(pen, trace, row)
  }
  return pen.drawing
}

function answerOf(trace: Trace, { nodes, edges }: Drawing): MapAnswer {
  const boxes = [...nodes.values()].map((node) => ({
    id: node.id,
    width: widthOf(node),
    height: HEIGHT[node.type] ?? 44,
  }))
  const arcs = [...edges.values()].map((edge): [string, string] =>
    edge.relation === 'consumes' ? [edge.target, edge.source] : [edge.source, edge.target],
  )
  const places = layered(boxes, arcs, SPACING)
  for (const box of boxes) {
    const node = nodes.get(box.id)
    const place = places.get(box.id)
    if (node && place) node.layout = { ...place, width: box.width, height: box.height }
  }
  const start = trace.answer.start
  return { from: start, to: start, nodes: [...nodes.values()], edges: [...edges.values()], truncated: null }
}

/** The edge or else the service of the selected span. */
function selectionOf(drawing: Drawing, selected: Row | undefined): string | null {
  if (!selected) return null
  for (const [id, rows] of drawing.rows)
    if (drawing.edges.has(id) && rows.some((row) => row.index === selected.index)) return id
  return service(selected.span.service)
}

interface TraceMapProps {
  trace: Trace
  selected: Row | undefined
  onSelect: (row: Row) => void
  onNothing: () => void
}

export function TraceMap({ trace, selected, onSelect, onNothing }: TraceMapProps) {
  const drawing = useMemo(() => drawingOf(trace), [trace])
  const scene = useMemo<Scene>(
    () => ({ ...sceneOf(answerOf(trace, drawing)), minutes: 1, unit: 'spans' }),
    [trace, drawing],
  )
  /** From span to span of what was clicked, the slowest first. */
  const choose = (id: string) => {
    const rows = [...(drawing.rows.get(id) ?? [])].sort((a, b) => b.duration - a.duration)
    const at = rows.findIndex((row) => row.index === selected?.index)
    const next = rows[(at + 1) % Math.max(1, rows.length)]
    if (next) onSelect(next)
  }
  return (
    <div class="map trace-map">
      <Picture
        scene={scene}
        selection={selectionOf(drawing, selected)}
        onNode={choose}
        onEdge={choose}
        onNothing={onNothing}
        onFocus={choose}
      />
    </div>
  )
}

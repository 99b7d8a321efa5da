// SPDX-License-Identifier: Apache-2.0
// The level below services: the operations that a service answers, as a list inside its box. The busiest services
// are asked for theirs; boxes grow downwards in their columns, so that everything stays about where it was.
import { useMemo } from 'preact/hooks'
import { address } from '../api/client'
import { useAnswer } from '../api/use'
import type { List, MapAnswer, MapNode, ServiceOperations } from '../api/types'
import { timeWindow, windowParams } from '../base/window'

/** Services that are asked for their operations, and how many of each are shown. */
export const SERVICES_MOST = 40
const SHOWN = 5
const AGAIN_MS = 30_000
export const OPERATION_HEIGHT = 20
export const OPERATIONS_TOP = 48
const BELOW = 6
const ROW_GAP = 32
const WIDTH = 176

/** By service, as `serviceKey` spells it. */
export type Operations = ReadonlyMap<string, ServiceOperations>

interface Place {
  name: string
  namespace?: string
  environment?: string
  scope?: string
}

function serviceKey({ name, namespace = '', environment = '', scope = '' }: Place): string {
  return [name, namespace, environment, scope].join('\n')
}

function busiest(answer: MapAnswer): string[] {
  const requests = new Map<string, number>()
  for (const node of answer.nodes)
    if (node.type === 'service')
      requests.set(node.name, (requests.get(node.name) ?? 0) + (node.requests ?? 0))
  return [...requests]
    .sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]))
    .slice(0, SERVICES_MOST)
    .map(([name]) => name)
}

/** Null while they are not shown, or not known yet. */
export function useOperations(answer: MapAnswer | null, on: boolean): Operations | null {
  const names = on && answer ? busiest(answer).sort() : []
  const window = timeWindow.value
  const url = address('operations', { ...windowParams(window), limit: SHOWN })
  const services = names.map((name) => `&service=${encodeURIComponent(name)}`).join('')
  const list = useAnswer<List<ServiceOperations>>(
    names.length > 0 ? url + services : null,
    window.live ? AGAIN_MS : null,
  )
  const items = list.data.value?.items
  return useMemo(() => items && new Map(items.map((item) => [serviceKey(item), item])), [items]) ?? null
}

/** The node with its first operations, and a box that is high enough for them. */
function opened(node: MapNode, operations: Operations): MapNode {
  const found = node.type === 'service' ? operations.get(serviceKey(node)) : undefined
  if (!found || !node.layout) return node
  const more = found.operations - found.busiest.length
  const rows = found.busiest.length + (more > 0 ? 1 : 0)
  const height = OPERATIONS_TOP + rows * OPERATION_HEIGHT + BELOW
  const layout = { ...node.layout, height, width: Math.max(WIDTH, node.layout.width) }
  return { ...node, layout, operations: found.busiest, more }
}

/** Boxes of a column in their order, pushed apart around the column's old middle. */
function pushApart(column: MapNode[]): Map<string, number> {
  const boxes = [...column].sort((a, b) => (a.layout?.y ?? 0) - (b.layout?.y ?? 0))
  const before = boxes.map((node) => (node.layout?.y ?? 0) + (node.layout?.height ?? 0) / 2)
  const height = boxes.reduce((sum, node) => sum + (node.layout?.height ?? 0) + ROW_GAP, -ROW_GAP)
  const middle = before.reduce((sum, y) => sum + y, 0) / Math.max(1, before.length)
  let y = middle - height / 2
  const out = new Map<string, number>()
  for (const node of boxes) {
    out.set(node.id, y)
    y += (node.layout?.height ?? 0) + ROW_GAP
  }
  return out
}

/** The map with operations inside of their services. */
export function withOperations(answer: MapAnswer, operations: Operations): MapAnswer {
  const nodes = answer.nodes.map((node) => opened(node, operations))
  const before = new Map(answer.nodes.map((node) => [node.id, node.layout]))
  const columns = new Map<number, MapNode[]>()
  for (const node of nodes) {
    if (node.type === 'table' || !node.layout) continue
    columns.set(node.layout.layer, [...(columns.get(node.layout.layer) ?? []), node])
  }
  const widths = new Map<number, number>()
  for (const [layer, column] of columns)
    widths.set(layer, Math.max(...column.map((node) => node.layout?.width ?? 0)))
  const places = new Map<string, { x: number; y: number }>()
  let shift = 0
  for (const layer of [...columns.keys()].sort((a, b) => a - b)) {
    const column = columns.get(layer) ?? []
    for (const [id, y] of pushApart(column)) places.set(id, { x: (before.get(id)?.x ?? 0) + shift, y })
    const old = Math.max(...column.map((node) => before.get(node.id)?.width ?? 0))
    shift += Math.max(0, (widths.get(layer) ?? 0) - old)
  }
  return {
    ...answer,
    nodes: nodes.map((node) => {
      const at = places.get(node.type === 'table' ? (node.parent ?? '') : node.id)
      const old = before.get(node.type === 'table' ? (node.parent ?? '') : node.id)
      if (!at || !old || !node.layout) return node
      const [dx, dy] = [at.x - old.x, at.y - old.y]
      // One width for a column's services; what the server drew otherwise keeps its own.
      const plain = node.type === 'service' || node.type === 'external'
      const width = plain ? (widths.get(node.layout.layer) ?? node.layout.width) : node.layout.width
      return { ...node, layout: { ...node.layout, x: node.layout.x + dx, y: node.layout.y + dy, width } }
    }),
  }
}

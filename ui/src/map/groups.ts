// SPDX-License-Identifier: Apache-2.0
// Folds services of one namespace, environment or scope into one box each. What only one group uses (its tables,
// its queue) goes into that group; what several share stays outside. Laid out here: the server lays out nodes.
import type { MapAnswer, MapEdge, MapNode, NodeType, Quantiles } from '../api/types'
import { layered } from '../base/layered'
import { textWidth } from './text'

export type GroupBy = 'namespace' | 'environment' | 'scope'
export const GROUPINGS: GroupBy[] = ['namespace', 'environment', 'scope']

const SPACING = { column: 120, row: 36 }

export function groupId(by: GroupBy, name: string): string {
  return `group:${by}:${name}`
}

/** Groupings that tell this map's services apart. */
export function groupingsOf(answer: MapAnswer): GroupBy[] {
  return GROUPINGS.filter(
    (by) =>
      new Set(answer.nodes.filter((node) => node.type === 'service').map((node) => node[by] ?? '')).size > 1,
  )
}

/** The groups whose services use a thing; a table is used with its database. */
function usersOf(answer: MapAnswer, root: Map<string, string>, groups: Map<string, string>) {
  const users = new Map<string, Set<string>>()
  for (const edge of answer.edges) {
    const thing = root.get(edge.target) ?? edge.target
    const group = groups.get(edge.source)
    if (group === undefined || groups.has(thing)) continue
    users.set(thing, (users.get(thing) ?? new Set()).add(group))
  }
  return users
}

/** The group of every node; undefined for what stays by itself. */
function groupsOf(answer: MapAnswer, by: GroupBy): Map<string, string> {
  const groups = new Map<string, string>()
  for (const node of answer.nodes) if (node.type === 'service') groups.set(node.id, node[by] ?? '')
  const root = new Map(answer.nodes.map((node) => [node.id, node.parent ?? node.id]))
  const users = usersOf(answer, root, groups)
  for (const node of answer.nodes) {
    if (node.type === 'service' || node.type === 'external') continue
    const own = by === 'namespace' ? undefined : node[by]
    const from = users.get(root.get(node.id) ?? node.id) ?? new Set<string>()
    const only = from.size === 1 ? [...from][0] : undefined
    const group = own !== undefined && from.size <= 1 ? own : only
    if (group !== undefined) groups.set(node.id, group)
  }
  return groups
}

function joined(a: Quantiles | undefined, b: Quantiles | undefined): Quantiles | undefined {
  if (!a || !b) return a ?? b
  // Quantiles of several edges cannot be added; the largest is an honest bound.
  return {
    p50_ns: Math.max(a.p50_ns, b.p50_ns),
    p90_ns: Math.max(a.p90_ns, b.p90_ns),
    p99_ns: Math.max(a.p99_ns, b.p99_ns),
  }
}

function joinEdges(answer: MapAnswer, shownAs: Map<string, string>): MapEdge[] {
  const edges = new Map<string, MapEdge>()
  for (const edge of answer.edges) {
    const source = shownAs.get(edge.source) ?? edge.source
    const target = shownAs.get(edge.target) ?? edge.target
    if (source === target) continue
    if (source === edge.source && target === edge.target) {
      edges.set(edge.id, edge)
      continue
    }
    const id = `${source} ${edge.relation} ${target}`
    const before = edges.get(id)
    const duration = joined(before?.duration, edge.duration)
    edges.set(id, {
      id,
      source,
      target,
      relation: edge.relation,
      count: (before?.count ?? 0) + edge.count,
      errors: (before?.errors ?? 0) + edge.errors,
      ...(duration ? { duration } : {}),
      of: [...(before?.of ?? []), edge.id],
    })
  }
  return [...edges.values()]
}

function groupNode(by: GroupBy, name: string, members: MapNode[], into: number, errors: number): MapNode {
  return {
    id: groupId(by, name),
    type: 'group',
    name: name === '' ? `no ${by}` : name,
    members: members.map((member) => member.id),
    requests: into,
    errors,
  }
}

function sizeOf(node: MapNode): { width: number; height: number } {
  if (node.type !== 'group' && node.layout) return { width: node.layout.width, height: node.layout.height }
  return { width: Math.max(128, Math.min(220, Math.ceil(textWidth(node.name, 13, 600)) + 28)), height: 48 }
}

/** Places boxes anew; tables go along with their database. */
function placed(nodes: MapNode[], edges: MapEdge[]): MapNode[] {
  const parents = new Map(
    nodes.map((node) => [node.id, node.type === 'table' ? (node.parent ?? '') : node.id]),
  )
  const boxes = nodes
    .filter((node) => node.type !== 'table')
    .map((node) => ({ id: node.id, ...sizeOf(node) }))
  const arcs = edges.map((edge): [string, string] => {
    const [from, to] = edge.relation === 'consumes' ? [edge.target, edge.source] : [edge.source, edge.target]
    return [parents.get(from) ?? from, parents.get(to) ?? to]
  })
  const places = layered(boxes, arcs, SPACING)
  const before = new Map(nodes.map((node) => [node.id, node.layout]))
  const size = new Map(boxes.map((box) => [box.id, box]))
  return nodes.map((node) => {
    const at = places.get(parents.get(node.id) ?? '')
    if (!at) return node
    const box = size.get(node.id)
    if (box) return { ...node, layout: { ...at, width: box.width, height: box.height } }
    const old = before.get(node.parent ?? '')
    if (!node.layout || !old) return node
    const layout = { ...node.layout, x: at.x + node.layout.x - old.x, y: at.y + node.layout.y - old.y }
    return { ...node, layout: { ...layout, layer: at.layer } }
  })
}

const MANY_SHARED = 12
const SHARED: Partial<Record<NodeType, string>> = {
  database: 'shared databases',
  queue: 'shared queues',
  external: 'external systems',
}

/** What several groups share would fill the picture again where it is much: then one box for each kind. */
function foldShared(answer: MapAnswer, groups: Map<string, string>): void {
  const types = new Map(answer.nodes.map((node) => [node.id, node.type]))
  for (const [type, name] of Object.entries(SHARED)) {
    const rest = answer.nodes.filter((node) => node.type === type && !groups.has(node.id))
    if (rest.length < MANY_SHARED) continue
    for (const node of rest) groups.set(node.id, name)
    for (const node of answer.nodes)
      if (
        node.type === 'table' &&
        type === 'database' &&
        types.has(node.parent ?? '') &&
        !groups.has(node.id)
      )
        groups.set(node.id, name)
  }
}

interface Numbers {
  count: number
  errors: number
}

/** Requests that come from outside of the map: those of a service that none of its callers made. */
function entered(answer: MapAnswer, members: MapNode[]): Numbers[] {
  const called = new Map<string, Numbers>()
  for (const { relation, source, target, count, errors } of answer.edges) {
    if (relation !== 'calls' && relation !== 'consumes') continue
    const service = relation === 'consumes' ? source : target
    const before = called.get(service) ?? { count: 0, errors: 0 }
    called.set(service, { count: before.count + count, errors: before.errors + errors })
  }
  return members
    .filter((node) => node.type === 'service')
    .map((node) => {
      const known = called.get(node.id) ?? { count: 0, errors: 0 }
      return {
        count: Math.max(0, (node.requests ?? 0) - known.count),
        errors: Math.max(0, (node.errors ?? 0) - known.errors),
      }
    })
}

/** The map with every group but the `open` ones folded into one box. */
export function grouped(answer: MapAnswer, by: GroupBy, open: ReadonlySet<string>): MapAnswer {
  const groups = groupsOf(answer, by)
  foldShared(answer, groups)
  const members = new Map<string, MapNode[]>()
  for (const node of answer.nodes) {
    const group = groups.get(node.id)
    if (group === undefined || open.has(group)) continue
    members.set(group, [...(members.get(group) ?? []), node])
  }
  const shownAs = new Map<string, string>()
  for (const [group, list] of members) for (const node of list) shownAs.set(node.id, groupId(by, group))
  const edges = joinEdges(answer, shownAs)
  const folded = [...members].map(([group, list]) => {
    const id = groupId(by, group)
    const into = edges.filter((edge) => edge.target === id && edge.relation !== 'consumes')
    const from = entered(answer, list)
    const sum = (value: (of: Numbers) => number) =>
      [...into, ...from].reduce((total, one) => total + value(one), 0)
    return groupNode(
      by,
      group,
      list,
      sum((one) => one.count),
      sum((one) => one.errors),
    )
  })
  const rest = answer.nodes.filter((node) => !shownAs.has(node.id))
  const hops = (answer.hops ?? []).filter((hop) => !shownAs.has(hop.queue))
  return { ...answer, nodes: placed([...folded, ...rest], edges), edges, hops }
}

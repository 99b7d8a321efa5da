// SPDX-License-Identifier: Apache-2.0
// Two windows on one picture: what came, what went, what changed, ranked by what matters: the shape, then errors,
// latency, rate.
import type { DiffAnswer, MapAnswer, MapEdge, Relation } from '../api/types'
import { duration, rate, share } from '../base/format'
import { param, set } from '../base/route'
import { iso } from '../base/time'

export type ChangeKind = 'new' | 'gone' | 'failing' | 'recovered' | 'slower' | 'faster' | 'busier' | 'quieter'

export interface Change {
  key: string
  kind: ChangeKind
  /** The edge, or for a node that came or went without one the node. */
  edge: string | null
  node: string | null
  title: string
  relation: Relation | null
  /** +38 %, +2.5 pp, new, gone. */
  delta: string
  /** What stands on the line: the delta and of what. */
  chip: string
  what: string
  detail: string
}

export interface Comparison {
  changes: Change[]
  ofEdge: Map<string, Change[]>
  ofNode: Map<string, 'new' | 'gone'>
  /** Before: the rates of edges that are gone are told from it. */
  before: MapAnswer
  after: MapAnswer
  compared: number
}

const RANK: Record<ChangeKind, number> = {
  new: 0,
  gone: 0,
  failing: 1,
  recovered: 1,
  slower: 2,
  faster: 2,
  busier: 3,
  quieter: 3,
}

export interface Stretch {
  from: number
  to: number
}

/** `vs` in the address: the window to compare with. */
export function comparedWith(): Stretch | null {
  const [from, to] = (param('vs') ?? '').split(',').map((part) => Date.parse(part))
  return from !== undefined && to !== undefined && from < to ? { from, to } : null
}

export function vsText({ from, to }: Stretch): string {
  const text = (at: number) => iso(Math.floor(at / 1000) * 1000).replace('.000', '')
  return `${text(from)},${text(to)}`
}

export function stopComparing(): void {
  set({ vs: null, show: null })
}

function signed(part: number): string {
  const percent = part * 100
  const text =
    Math.abs(percent) >= 1000 ? `${Math.round(percent / 100)} ×` : `${Number(percent.toPrecision(2))} %`
  return `${percent > 0 ? '+' : '−'}${text.replace('-', '')}`
}

function minutes(map: MapAnswer): number {
  return Math.max(1, (Date.parse(map.to) - Date.parse(map.from)) / 60e3)
}

function changed(found: DiffAnswer['changed'][number]): Change {
  const { what, a, b } = found
  const up = b > a
  const base = {
    key: `${found.edge} ${what}`,
    edge: found.edge,
    node: null,
    title: `${found.source_name} → ${found.target_name}`,
    relation: found.relation,
  }
  if (what === 'errors') {
    const points = Math.abs(b - a) * 100
    const delta = `${up ? '+' : '−'}${Number(points.toPrecision(2))} pp`
    const detail = `${share(a, 1)} → ${share(b, 1)}`
    return {
      ...base,
      kind: up ? 'failing' : 'recovered',
      delta,
      chip: `${delta} err`,
      what: 'errors',
      detail,
    }
  }
  const delta = signed(a > 0 ? b / a - 1 : 1)
  if (what === 'rate') {
    const detail = `${rate(a).replace('/min', '')} → ${rate(b)}`
    return { ...base, kind: up ? 'busier' : 'quieter', delta, chip: `${delta} rate`, what: 'rate', detail }
  }
  const quantile = `p${Math.round((found.quantile ?? 0.99) * 100)}`
  const detail = `${duration(a)} → ${duration(b)}`
  return {
    ...base,
    kind: up ? 'slower' : 'faster',
    delta,
    chip: `${delta} ${quantile}`,
    what: quantile,
    detail,
  }
}

function cameOrWent(edge: MapEdge, kind: 'new' | 'gone', names: Map<string, string>, length: number): Change {
  const turned = edge.relation === 'consumes'
  const [from, to] = turned ? [edge.target, edge.source] : [edge.source, edge.target]
  const often = rate(edge.count / length)
  return {
    key: `${edge.id} ${kind}`,
    kind,
    edge: edge.id,
    node: null,
    title: `${names.get(from) ?? from} → ${names.get(to) ?? to}`,
    relation: edge.relation,
    delta: kind,
    chip: kind === 'new' ? 'new' : often,
    what: edge.relation,
    detail: kind === 'new' ? often : `was ${often}`,
  }
}

/** Nodes that came or went are told by their edges, where they have some. */
function lonely(diff: DiffAnswer, kind: 'new' | 'gone'): Change[] {
  const part = kind === 'new' ? diff.added : diff.removed
  const told = new Set(part.edges.flatMap((edge) => [edge.source, edge.target]))
  return part.nodes
    .filter((node) => !told.has(node.id) && !part.nodes.some((other) => other.parent === node.id))
    .map((node) => ({
      key: `${node.id} ${kind}`,
      kind,
      edge: null,
      node: node.id,
      title: node.name,
      relation: null,
      delta: kind,
      chip: kind,
      what: node.type,
      detail: '',
    }))
}

export function comparisonOf(diff: DiffAnswer, before: MapAnswer, after: MapAnswer): Comparison {
  const names = new Map([...before.nodes, ...after.nodes].map((node) => [node.id, node.name]))
  const changes = [
    ...diff.added.edges.map((edge) => cameOrWent(edge, 'new', names, minutes(after))),
    ...diff.removed.edges.map((edge) => cameOrWent(edge, 'gone', names, minutes(before))),
    ...lonely(diff, 'new'),
    ...lonely(diff, 'gone'),
    ...diff.changed.map(changed),
  ].sort((a, b) => RANK[a.kind] - RANK[b.kind])
  const ofEdge = new Map<string, Change[]>()
  for (const change of changes)
    if (change.edge !== null) ofEdge.set(change.edge, [...(ofEdge.get(change.edge) ?? []), change])
  const ofNode = new Map<string, 'new' | 'gone'>()
  for (const node of diff.added.nodes) ofNode.set(node.id, 'new')
  for (const node of diff.removed.nodes) ofNode.set(node.id, 'gone')
  return {
    changes,
    ofEdge,
    ofNode,
    before,
    after,
    compared: new Set([...before.edges, ...after.edges].map((edge) => edge.id)).size,
  }
}

/** The gravest change of a line. */
export function gravest(comparison: Comparison, edges: MapEdge[]): Change | null {
  const all = edges.flatMap((edge) =>
    [edge.id, ...(edge.of ?? [])].flatMap((id) => comparison.ofEdge.get(id) ?? []),
  )
  return all.sort((a, b) => RANK[a.kind] - RANK[b.kind])[0] ?? null
}

/** Services with a version in B that was not there in A. */
export function deploysBetween({
  before,
  after,
}: Comparison): { service: string; was: string; is: string }[] {
  const versions = (map: MapAnswer) =>
    new Map(
      map.nodes
        .filter((node) => node.type === 'service')
        .map((node) => [node.id, { name: node.name, version: node.labels?.['service.version'] ?? '' }]),
    )
  const old = versions(before)
  return [...versions(after)].flatMap(([id, { name, version }]) => {
    const was = old.get(id)?.version ?? ''
    return version === '' || was === '' || was === version ? [] : [{ service: name, was, is: version }]
  })
}

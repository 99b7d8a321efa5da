// SPDX-License-Identifier: Apache-2.0
// The map's twin for keyboard and screen reader, and for who prefers to read: the same nodes and edges.
import type { ComponentChildren } from 'preact'
import type { MapEdge, MapNode } from '../api/types'
import { duration, exact, exactDuration, rate, share } from '../base/format'
import { hrefWith, param, set } from '../base/route'
import { Sortable, type Column } from '../frame/sortable'
import { gravest, type Comparison } from './compare'
import type { Scene } from './scene'
import { rateOfNode } from './shapes'
import { TYPES } from './words'

function errorCell(errors: number, count: number): ComponentChildren {
  const bad = count > 0 && errors / count >= 0.005
  return <span class={bad ? 'bad' : undefined}>{share(errors, count)}</span>
}

function changeColumn(comparison: Comparison): Column<MapEdge> {
  const change = (edge: MapEdge) => gravest(comparison, [edge])
  return {
    title: 'Change',
    value: (edge) => change(edge)?.chip ?? '',
    show: (edge) => {
      const found = change(edge)
      return (
        found && (
          <span class={`change-text ${found.kind}`}>{found.kind === 'gone' ? 'gone' : found.chip}</span>
        )
      )
    },
  }
}

function edgeColumns(scene: Scene): Column<MapEdge>[] {
  const name = (id: string) => scene.nodes.get(id)?.name ?? id
  const node = (id: string) => (
    <a class="quiet-link" href={hrefWith({ node: id, edge: null })}>
      {name(id)}
    </a>
  )
  const time = (edge: MapEdge) => edge.duration ?? edge.server_duration
  return [
    { title: 'Source', value: (edge) => name(edge.source), show: (edge) => node(edge.source) },
    {
      title: 'Relation',
      value: (edge) => edge.relation,
      show: (edge) => <a href={hrefWith({ edge: edge.id, node: null })}>{edge.relation}</a>,
    },
    { title: 'Target', value: (edge) => name(edge.target), show: (edge) => node(edge.target) },
    {
      title: 'Rate',
      number: true,
      value: (edge) => edge.count,
      show: (edge) => rate(edge.count / scene.minutes),
      exact: (edge) => exact(edge.count),
    },
    {
      title: 'Errors',
      number: true,
      value: (edge) => (edge.count > 0 ? edge.errors / edge.count : 0),
      show: (edge) => errorCell(edge.errors, edge.count),
      exact: (edge) => exact(edge.errors),
    },
    {
      title: 'p50',
      number: true,
      value: (edge) => time(edge)?.p50_ns ?? -1,
      show: (edge) => (time(edge) ? duration(time(edge)?.p50_ns ?? 0) : '–'),
      exact: (edge) => (time(edge) ? exactDuration(time(edge)?.p50_ns ?? 0) : ''),
    },
    {
      title: 'p99',
      number: true,
      value: (edge) => time(edge)?.p99_ns ?? -1,
      show: (edge) => (time(edge) ? duration(time(edge)?.p99_ns ?? 0) : '–'),
      exact: (edge) => (time(edge) ? exactDuration(time(edge)?.p99_ns ?? 0) : ''),
    },
  ]
}

function nodeColumns(scene: Scene): Column<MapNode>[] {
  return [
    {
      title: 'Name',
      value: (node) => node.name,
      show: (node) => (
        <a class="quiet-link" href={hrefWith({ node: node.id, edge: null })}>
          {node.name}
        </a>
      ),
    },
    { title: 'Type', value: (node) => node.type, show: (node) => TYPES[node.type] ?? node.type },
    { title: 'System', value: (node) => node.system ?? '', show: (node) => node.system ?? '' },
    {
      title: 'Rate',
      number: true,
      value: (node) => scene.traffic.get(node.id) ?? -1,
      show: (node) => rateOfNode(scene, node.id),
      exact: (node) => exact(scene.traffic.get(node.id) ?? 0),
    },
    {
      title: 'Errors',
      number: true,
      value: (node) =>
        node.requests !== undefined && node.requests > 0 ? (node.errors ?? 0) / node.requests : -1,
      show: (node) => (node.requests === undefined ? '–' : errorCell(node.errors ?? 0, node.requests)),
    },
    {
      title: 'p99',
      number: true,
      value: (node) => node.duration?.p99_ns ?? -1,
      show: (node) => (node.duration ? duration(node.duration.p99_ns) : '–'),
    },
  ]
}

export function MapTable({ scene, comparison }: { scene: Scene; comparison: Comparison | null }) {
  const columns = comparison ? [...edgeColumns(scene), changeColumn(comparison)] : edgeColumns(scene)
  const wanted = (param('find') ?? '').toLowerCase()
  const has = (id: string) => (scene.nodes.get(id)?.name ?? '').toLowerCase().includes(wanted)
  const inside = (id: string) => scene.boxes.has(scene.boxOf.get(id) ?? '')
  const edges = scene.answer.edges.filter(
    (edge) => inside(edge.source) && inside(edge.target) && (has(edge.source) || has(edge.target)),
  )
  const nodes = scene.answer.nodes.filter((node) => inside(node.id) && has(node.id))
  return (
    <div class="map-table">
      <input
        class="field"
        type="search"
        aria-label="Only names that contain"
        placeholder="Only names that contain…"
        value={param('find') ?? ''}
        onInput={(event) => {
          set({ find: event.currentTarget.value }, true)
        }}
      />
      <Sortable caption="Edges" rows={edges} columns={columns} id={(edge) => edge.id} />
      <Sortable caption="Nodes" rows={nodes} columns={nodeColumns(scene)} id={(node) => node.id} />
    </div>
  )
}

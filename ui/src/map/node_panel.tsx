// SPDX-License-Identifier: Apache-2.0
// What a node is: numbers, series, who talks to it, its operations, its labels.
import { address } from '../api/client'
import type { List, MapEdge, MapNode, NodeAnswer, OperationItem } from '../api/types'
import { useAnswer } from '../api/use'
import { duration, durationOf, exact, exactDuration, rate, rateOf, share, shareOf } from '../base/format'
import { hrefTo, hrefWith } from '../base/route'
import { ms, when } from '../base/time'
import { timeWindow, windowParams } from '../base/window'
import { FocusIcon, PathIcon, PinIcon, TracesIcon } from '../frame/icons'
import { Figures, Panel, Row, Section, type Figure } from '../frame/panel'
import { quoted } from '../traces/query'
import { counted, stepFor } from './edge_panel'
import { unpin } from './positions'
import type { Scene } from './scene'
import { Series } from './series'
import { nodeSub } from './words'

const MOST_ROWS = 12

function figures(node: MapNode, scene: Scene): Figure[] {
  const traffic = scene.traffic.get(node.id) ?? 0
  const out: Figure[] = [
    {
      label: 'Rate',
      quantity: rateOf(traffic / scene.minutes),
      exact: `${exact(traffic)} in ${exact(scene.minutes)} min`,
    },
  ]
  if (node.requests !== undefined) {
    const errors = node.errors ?? 0
    const bad = node.requests > 0 && errors / node.requests >= 0.005
    out.push({
      label: 'Errors',
      quantity: shareOf(errors, node.requests),
      exact: `${exact(errors)} of ${exact(node.requests)}`,
      bad,
    })
  }
  if (node.duration) {
    out.push({
      label: 'p50',
      quantity: durationOf(node.duration.p50_ns),
      exact: exactDuration(node.duration.p50_ns),
    })
    out.push({
      label: 'p99',
      quantity: durationOf(node.duration.p99_ns),
      exact: exactDuration(node.duration.p99_ns),
    })
  }
  return out
}

function EdgeRows({
  title,
  edges,
  far,
  scene,
}: {
  title: string
  edges: MapEdge[]
  far: (edge: MapEdge) => string
  scene: Scene
}) {
  if (edges.length === 0) return null
  const sorted = [...edges].sort((a, b) => b.count - a.count)
  return (
    <Section title={title} note={String(edges.length)}>
      {sorted.slice(0, MOST_ROWS).map((edge) => (
        <Row
          key={edge.id}
          left={
            <>
              <a href={hrefWith({ edge: edge.id, node: null })}>
                {scene.nodes.get(far(edge))?.name ?? far(edge)}
              </a>{' '}
              <span class="muted">{edge.relation}</span>
            </>
          }
          right={
            <>
              {edge.errors > 0 && edge.errors / edge.count >= 0.001 && (
                <span class="bad">{share(edge.errors, edge.count)} err </span>
              )}
              {rate(edge.count / scene.minutes)}
            </>
          }
          title={`${exact(edge.count)}, ${exact(edge.errors)} errors`}
        />
      ))}
      {sorted.length > MOST_ROWS && (
        <p>
          <a href={hrefWith({ view: 'table', find: scene.nodes.get(edges[0]?.source ?? '')?.name ?? null })}>
            {sorted.length - MOST_ROWS} more in the table
          </a>
        </p>
      )}
    </Section>
  )
}

function Operations({ service }: { service: string }) {
  const window = timeWindow.value
  const list = useAnswer<List<OperationItem>>(
    address(`services/${encodeURIComponent(service)}/operations`, windowParams(window)),
  )
  const items = list.data.value?.items ?? []
  if (items.length === 0) return null
  const volume = (item: OperationItem) =>
    (item.requests ?? 0) > 0 ? (item.requests ?? 0) : (item.spans ?? 0)
  const sorted = [...items].sort((a, b) => volume(b) - volume(a))
  return (
    <Section title="Operations" note="p99 · count">
      {sorted.slice(0, MOST_ROWS).map((item) => (
        <Row
          key={`${item.name} ${item.kind ?? ''}`}
          left={
            <a
              href={hrefTo(['traces'], {
                q: `{ resource.service.name = ${quoted(service)} && name = ${quoted(item.name)} }`,
              })}
            >
              {item.name}
            </a>
          }
          right={
            <>
              {item.duration && <span class="muted">{duration(item.duration.p99_ns)} · </span>}
              {exact(volume(item))}
            </>
          }
        />
      ))}
    </Section>
  )
}

function Labels({ node }: { node: MapNode }) {
  const labels = Object.entries(node.labels ?? {})
  return (
    <Section title="Known">
      {node.first_seen !== undefined && (
        <Row left="First seen" right={when(ms(node.first_seen))} title={node.first_seen} />
      )}
      {node.last_seen !== undefined && (
        <Row left="Last seen" right={when(ms(node.last_seen))} title={node.last_seen} />
      )}
      {labels.map(([key, value]) => (
        <Row
          key={key}
          left={<span class="mono muted">{key}</span>}
          right={<span class="mono">{value}</span>}
          title={value}
        />
      ))}
    </Section>
  )
}

function tracesQuery(node: MapNode): string | null {
  if (node.type === 'service') return `{ resource.service.name = ${quoted(node.name)} }`
  if (node.type === 'table') return `{ span.db.collection.name = ${quoted(node.name)} }`
  if (node.type === 'queue') return `{ span.messaging.destination.name = ${quoted(node.name)} }`
  return null
}

export function NodePanel({ id, scene, onClose }: { id: string; scene: Scene; onClose: () => void }) {
  const window = timeWindow.value
  const url = address(`nodes/${encodeURIComponent(id)}`, {
    ...windowParams(window),
    step: stepFor(window.lengthMs),
  })
  const detail = useAnswer<NodeAnswer>(url, window.live ? 5000 : null)
  const node = scene.nodes.get(id) ?? detail.data.value?.node
  if (!node) {
    return (
      <Panel title="Not in this window" label="Selected node" onClose={onClose}>
        <Section>
          <p class="muted">This node had no traffic in the window shown.</p>
        </Section>
      </Panel>
    )
  }
  const q = tracesQuery(node)
  const series = detail.data.value?.series
  const inside = new Set([id, ...(scene.boxes.get(id)?.tables.map((table) => table.id) ?? [])])
  const edges = scene.answer.edges
  return (
    <Panel
      title={node.name}
      label={`${node.name}, ${node.type}`}
      sub={nodeSub(node, scene.nodes.get(node.parent ?? ''))}
      onClose={onClose}
    >
      <Section>
        <Figures figures={figures(node, scene)} />
        <div class="panel-actions">
          <a
            class="control"
            href={hrefWith({ focus: id, hops: null, at: null })}
            title="Only this and its neighbours (double click, f)"
          >
            <FocusIcon /> Focus
          </a>
          <a
            class="control"
            href={hrefWith({ path: id, focus: null, node: null, edge: null, at: null })}
            title="How this reaches another node"
          >
            <PathIcon /> Paths
          </a>
          {scene.boxes.get(id)?.free === true && (
            <button
              class="control"
              title="Back to where the layout puts it"
              onClick={() => {
                unpin([id])
              }}
            >
              <PinIcon /> Unpin
            </button>
          )}
          {q !== null && (
            <a class="control" href={hrefTo(['traces'], { q })}>
              <TracesIcon /> Traces
            </a>
          )}
        </div>
      </Section>
      {series && series.length > 0 && (
        <Section>
          <Series points={counted(series, scene.answer.complete_to)} what="Requests" />
        </Section>
      )}
      <EdgeRows
        title="From"
        edges={edges.filter((edge) => inside.has(edge.target))}
        far={(edge) => edge.source}
        scene={scene}
      />
      <EdgeRows
        title="To"
        edges={edges.filter((edge) => inside.has(edge.source))}
        far={(edge) => edge.target}
        scene={scene}
      />
      {node.type === 'service' && <Operations service={node.name} />}
      <Labels node={node} />
    </Panel>
  )
}

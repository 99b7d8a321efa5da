// SPDX-License-Identifier: Apache-2.0
// What a node is: numbers, series, who talks to it, its operations, its labels.
import { address } from '../api/client'
import type { Hop, List, MapEdge, MapNode, NodeAnswer, OperationItem } from '../api/types'
import { useAnswer } from '../api/use'
import { duration, durationOf, exact, exactDuration, rate, rateOf, share, shareOf } from '../base/format'
import { hrefTo, hrefWith } from '../base/route'
import { ms, when } from '../base/time'
import { timeWindow, windowParams } from '../base/window'
import { FocusIcon, PathIcon, PinIcon, TracesIcon } from '../frame/icons'
import { Figures, Panel, Row, Section, type Figure } from '../frame/panel'
import { quoted } from '../traces/query'
import { counted, stepFor } from './edge_panel'
import { Hops } from './hops'
import { LastChange } from './last_change'
import { unpin } from './positions'
import type { Scene } from './scene'
import { Series } from './series'
import { nodeSub } from './words'

const MOST_ROWS = 12
const MOST_NAMES = 30
const LIVE_MS = 10_000

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
  inside = false,
}: {
  title: string
  edges: MapEdge[]
  far: (edge: MapEdge) => string
  scene: Scene
  /** The node shown has parts: it is told which one an edge touches. */
  inside?: boolean
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
              <span class="muted">
                {edge.relation}
                {inside && scene.nodes.get(edge.target)?.type === 'table'
                  ? ` ${scene.nodes.get(edge.target)?.name ?? ''}`
                  : ''}
              </span>
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

function OperationLink({ service, name }: { service: string; name: string }) {
  const q = `{ resource.service.name = ${quoted(service)} && name = ${quoted(name)} }`
  return <a href={hrefTo(['traces'], { q })}>{name}</a>
}

/** What the service is asked to do, with numbers of the window; what it does inside and of others, by name only. */
function Operations({ service, minutes }: { service: string; minutes: number }) {
  const window = timeWindow.value
  const list = useAnswer<List<OperationItem>>(
    address(`services/${encodeURIComponent(service)}/operations`, windowParams(window)),
    window.live ? LIVE_MS : null,
  )
  const items = list.data.value?.items ?? []
  const requests = (item: OperationItem) => item.requests ?? 0
  const entries = items.filter((item) => requests(item) > 0).sort((a, b) => requests(b) - requests(a))
  const known = new Set(entries.map((item) => item.name))
  const inside = [...new Set(items.map((item) => item.name))].filter((name) => !known.has(name)).sort()
  return (
    <>
      {entries.length > 0 && (
        <Section title="Operations" note="p99 · rate">
          {entries.slice(0, MOST_ROWS).map((item) => (
            <Row
              key={`${item.name} ${item.kind ?? ''}`}
              left={<OperationLink service={service} name={item.name} />}
              right={
                <>
                  {(item.errors ?? 0) > 0 && (
                    <span class="bad">{share(item.errors ?? 0, requests(item))} err </span>
                  )}
                  {item.duration && <span class="muted">{duration(item.duration.p99_ns)} · </span>}
                  {rate(requests(item) / minutes)}
                </>
              }
              title={`${exact(requests(item))} requests, ${exact(item.errors ?? 0)} errors`}
            />
          ))}
          {entries.length > MOST_ROWS && <p class="muted">{exact(entries.length - MOST_ROWS)} more</p>}
        </Section>
      )}
      {inside.length > 0 && (
        <Section title="Other spans" note="inside, and to others">
          <p class="names">
            {inside.slice(0, MOST_NAMES).map((name) => (
              <OperationLink key={name} service={service} name={name} />
            ))}
            {inside.length > MOST_NAMES && (
              <span class="muted">and {exact(inside.length - MOST_NAMES)} more</span>
            )}
          </p>
        </Section>
      )}
    </>
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

/** What comes in, by what the node is. */
const MEASURED: Partial<Record<MapNode['type'], string>> = {
  database: 'Queries',
  table: 'Queries',
  queue: 'Messages',
  external: 'Calls',
}

/** The tables of a database with what reads and writes each, the busiest first. */
function Tables({ database, scene }: { database: string; scene: Scene }) {
  const used = new Map<string, { reads: number; writes: number }>()
  for (const node of scene.answer.nodes)
    if (node.type === 'table' && node.parent === database) used.set(node.id, { reads: 0, writes: 0 })
  for (const edge of scene.answer.edges) {
    const table = used.get(edge.target)
    if (table) table[edge.relation === 'writes' ? 'writes' : 'reads'] += edge.count
  }
  const sorted = [...used].sort(([, a], [, b]) => b.reads + b.writes - a.reads - a.writes)
  if (sorted.length === 0) return null
  return (
    <Section title="Tables" note="reads · writes">
      {sorted.slice(0, MOST_ROWS).map(([table, { reads, writes }]) => (
        <Row
          key={table}
          left={<a href={hrefWith({ node: table, edge: null })}>{scene.nodes.get(table)?.name ?? table}</a>}
          right={`${reads > 0 ? rate(reads / scene.minutes) : '–'} · ${writes > 0 ? rate(writes / scene.minutes) : '–'}`}
          title={`${exact(reads)} reads, ${exact(writes)} writes`}
        />
      ))}
      {sorted.length > MOST_ROWS && <p class="muted">{sorted.length - MOST_ROWS} more tables</p>}
    </Section>
  )
}

/** Who talks to it and whom it talks to, through a queue and table by table. */
function Around({
  node,
  inside,
  hops,
  scene,
}: {
  node: MapNode
  inside: Set<string>
  hops: Hop[]
  scene: Scene
}) {
  const { edges } = scene.answer
  return (
    <>
      <EdgeRows
        title="From"
        edges={edges.filter((edge) => inside.has(edge.target) && edge.relation !== 'consumes')}
        far={(edge) => edge.source}
        scene={scene}
        inside={inside.size > 1}
      />
      <EdgeRows
        title="To"
        edges={edges.filter(
          (edge) => inside.has(edge.source) || (edge.target === node.id && edge.relation === 'consumes'),
        )}
        far={(edge) => (edge.target === node.id ? edge.source : edge.target)}
        scene={scene}
      />
      {node.type === 'queue' && <Hops hops={hops} nodes={scene.nodes} minutes={scene.minutes} />}
      {node.type === 'database' && <Tables database={node.id} scene={scene} />}
    </>
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
          <Series
            points={counted(series, scene.answer.complete_to)}
            what={MEASURED[node.type] ?? 'Requests'}
          />
        </Section>
      )}
      <Around node={node} inside={inside} hops={detail.data.value?.hops ?? []} scene={scene} />
      {node.type === 'service' && <Operations service={node.name} minutes={scene.minutes} />}
      <LastChange about={[...inside]} />
      <Labels node={node} />
    </Panel>
  )
}

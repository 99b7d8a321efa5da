// SPDX-License-Identifier: Apache-2.0
// What an edge is and how one knows: numbers, series, since, why, for, traces.
import { address } from '../api/client'
import type { EdgeAnswer, Exemplar, Interval, MapEdge, MapNode, SeriesPoint } from '../api/types'
import { useAnswer } from '../api/use'
import { duration, durationOf, exact, exactDuration, rateOf, shareOf, shortId } from '../base/format'
import { hrefTo, hrefWith } from '../base/route'
import { clock, clockSeconds, lengthText, ms, when } from '../base/time'
import { timeWindow, windowParams } from '../base/window'
import { Figures, Panel, Row, Section, type Figure } from '../frame/panel'
import { Hops } from './hops'
import { LastChange } from './last_change'
import type { Scene } from './scene'
import { Series } from './series'
import { COUNTED, RULES } from './words'

/** Without the step that is still being counted: its low bar would look like a drop. */
export function counted(points: SeriesPoint[], completeTo: string | undefined): SeriesPoint[] {
  if (completeTo === undefined || points.length < 2) return points
  const stepMs = ms(points[1]?.time ?? '') - ms(points[0]?.time ?? '')
  return points.filter((point) => ms(point.time) + stepMs <= ms(completeTo))
}

export function stepFor(lengthMs: number): string {
  const minutes = Math.max(1, Math.ceil(lengthMs / 60e3 / 60))
  return `${minutes * 60}s`
}

function Sibling({ edge, scene }: { edge: MapEdge; scene: Scene }) {
  const line = scene.lines.find((candidate) => candidate.edges.some((other) => other.id === edge.id))
  if (!line || line.edges.length < 2) return null
  return (
    <div class="segments panel-switch" role="group" aria-label="Relation">
      {line.edges.map((other) => (
        <a
          key={other.id}
          href={hrefWith({ edge: other.id })}
          aria-current={other.id === edge.id ? 'true' : undefined}
        >
          {other.relation}
        </a>
      ))}
    </div>
  )
}

function figures(edge: MapEdge, minutes: number): Figure[] {
  const out: Figure[] = [
    {
      label: 'Rate',
      quantity: rateOf(edge.count / minutes),
      exact: `${exact(edge.count)} in ${exact(minutes)} min`,
    },
    {
      label: 'Errors',
      quantity: shareOf(edge.errors, edge.count),
      exact: `${exact(edge.errors)} of ${exact(edge.count)}`,
      bad: edge.count > 0 && edge.errors / edge.count >= 0.005,
    },
  ]
  const time = edge.duration ?? edge.server_duration
  if (time) {
    out.push({ label: 'p50', quantity: durationOf(time.p50_ns), exact: exactDuration(time.p50_ns) })
    out.push({ label: 'p99', quantity: durationOf(time.p99_ns), exact: exactDuration(time.p99_ns) })
  }
  return out
}

/** The times of presence, with the gaps between them in the window. */
function Since({ intervals, from, to }: { intervals: Interval[]; from: number; to: number }) {
  const first = intervals[0]
  if (!first) return null
  const start = Math.min(ms(first.first), from)
  const whole = Math.max(1, to - start)
  const gaps = intervals
    .slice(1)
    .map((next, index) => ({ from: ms(intervals[index]?.last ?? next.first), to: ms(next.first) }))
  return (
    <Section title="Since">
      <Row
        left="Present since"
        right={<a href={hrefTo(['map'], around(ms(first.first)))}>{when(ms(first.first))}</a>}
        title={first.first}
      />
      {gaps.map((gap) => (
        <Row
          key={gap.from}
          left="Absent"
          right={<a href={hrefTo(['map'], around(gap.from))}>{`${when(gap.from)} to ${when(gap.to)}`}</a>}
        />
      ))}
      <svg class="presence" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        {intervals.map((interval) => {
          const x = ((ms(interval.first) - start) / whole) * 100
          const end = Math.min(100, ((ms(interval.last) + 60e3 - start) / whole) * 100)
          return <rect key={interval.first} x={x} width={Math.max(0.8, end - x)} height={6} />
        })}
      </svg>
    </Section>
  )
}

function around(at: number): Record<string, string | null> {
  const text = (time: number) => new Date(time).toISOString().replace('.000', '')
  return { last: null, from: text(at - 5 * 60e3), to: text(at + 10 * 60e3) }
}

function Why({ edge, length }: { edge: MapEdge; length: number }) {
  const rules = Object.entries(edge.rules ?? {}).sort((a, b) => b[1] - a[1])
  if (rules.length === 0) return null
  return (
    <Section
      title="Why"
      note={`${exact(edge.count)} ${COUNTED[edge.relation].toLowerCase()} in ${lengthText(length)}`}
    >
      {rules.map(([rule, count]) => (
        <Row
          key={rule}
          left={
            <>
              <code>{rule}</code> <span class="muted">{RULES[rule] ?? ''}</span>
            </>
          }
          right={exact(count)}
        />
      ))}
    </Section>
  )
}

function For({ edge }: { edge: MapEdge }) {
  if (!edge.flows || edge.flows.length === 0) return null
  const flows = [...edge.flows].sort((a, b) => b.count - a.count)
  return (
    <Section title="For" note="flow and step">
      {flows.map((flow) => (
        <Row
          key={`${flow.flow} ${flow.step}`}
          left={
            <>
              <a href={hrefTo(['flows', flow.flow])}>{flow.flow}</a> › {flow.step}
            </>
          }
          right={exact(flow.count)}
        />
      ))}
    </Section>
  )
}

/** To the second today; of other days the minute has to do. */
function exampleTime(at: number): string {
  return when(at) === clock(at) ? clockSeconds(at) : when(at)
}

function TraceRow({ kind, trace, bad }: { kind: string; trace: Exemplar; bad?: boolean }) {
  return (
    <div class="example">
      <span class={bad ? 'bad' : undefined}>{kind}</span>
      <span class="muted" title={trace.start}>
        {exampleTime(ms(trace.start))}
      </span>
      <span title={exactDuration(trace.duration_ns)}>{duration(trace.duration_ns)}</span>
      <a class="mono" href={hrefTo(['trace', trace.trace_id])} title={trace.trace_id}>
        {shortId(trace.trace_id)}
      </a>
    </div>
  )
}

function Traces({ edge }: { edge: MapEdge }) {
  const { latest = [], error = [], slowest = [] } = edge.exemplars ?? {}
  if (latest.length + error.length + slowest.length === 0) return null
  return (
    <Section title="Traces">
      {latest.slice(0, 1).map((trace) => (
        <TraceRow key={trace.trace_id} kind="Latest" trace={trace} />
      ))}
      {error.slice(0, 1).map((trace) => (
        <TraceRow key={trace.trace_id} kind="Error" trace={trace} bad />
      ))}
      {slowest.slice(0, 1).map((trace) => (
        <TraceRow key={trace.trace_id} kind="Slowest" trace={trace} />
      ))}
    </Section>
  )
}

/** What the arrow means, and of a table where it stands. */
function subOf(edge: MapEdge, nodes: Map<string, MapNode>): string {
  const target = nodes.get(edge.target)
  const parent = nodes.get(target?.parent ?? '')
  const place = parent ? `${target?.type ?? ''} in ${parent.name}` : target?.system
  const verb =
    edge.relation === 'consumes' ? `${nodes.get(edge.source)?.name ?? edge.source} consumes` : edge.relation
  return [verb, place].filter((part) => part !== undefined && part !== '').join(' · ')
}

export function EdgePanel({ id, scene, onClose }: { id: string; scene: Scene; onClose: () => void }) {
  const window = timeWindow.value
  const url = address(`edges/${encodeURIComponent(id)}`, {
    ...windowParams(window),
    step: stepFor(window.lengthMs),
  })
  const detail = useAnswer<EdgeAnswer>(url, window.live ? 5000 : null)
  // The map's own edge is as fresh as the picture; the detail adds the series.
  const edge = scene.edges.get(id) ?? detail.data.value?.edge
  if (!edge) {
    return (
      <Panel title="Not in this window" label="Selected edge" onClose={onClose}>
        <Section>
          <p class="muted">This edge had no traffic in the window shown.</p>
        </Section>
      </Panel>
    )
  }
  const nodes = new Map([
    ...(detail.data.value?.nodes ?? []).map((node) => [node.id, node] as const),
    ...scene.nodes,
  ])
  const name = (node: string) => nodes.get(node)?.name ?? node
  // As in the picture: messages go from the queue to who takes them.
  const [from, into] = edge.relation === 'consumes' ? [edge.target, edge.source] : [edge.source, edge.target]
  const series = detail.data.value?.series
  const to = ms(scene.answer.to)
  const title = (
    <>
      <a class="quiet-link" href={hrefWith({ node: from, edge: null })}>
        {name(from)}
      </a>
      <span class="arrow-text" aria-label="to">
        {' '}
        →{' '}
      </span>
      <a class="quiet-link" href={hrefWith({ node: into, edge: null })}>
        {name(into)}
      </a>
    </>
  )
  return (
    <Panel
      title={title}
      label={`${name(edge.source)} ${edge.relation} ${name(edge.target)}`}
      sub={subOf(edge, nodes)}
      onClose={onClose}
    >
      <Section>
        <Sibling edge={edge} scene={scene} />
        <Figures figures={figures(edge, scene.minutes)} />
      </Section>
      <Section>
        {series ? (
          <Series points={counted(series, scene.answer.complete_to)} what={COUNTED[edge.relation]} />
        ) : (
          <div class="series-room" />
        )}
      </Section>
      <Since intervals={edge.intervals ?? []} from={ms(scene.answer.from)} to={to} />
      <Why edge={edge} length={scene.minutes * 60e3} />
      <Hops hops={detail.data.value?.hops ?? []} nodes={nodes} minutes={scene.minutes} />
      <For edge={edge} />
      <Traces edge={edge} />
      <LastChange about={[edge.id, edge.source, edge.target]} />
    </Panel>
  )
}

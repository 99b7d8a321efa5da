// SPDX-License-Identifier: Apache-2.0
// A run over all its traces as one waterfall: a row for each trace, its spans below it, on one axis of time. Of a
// trace that is not (or cannot be) read whole, its steps are shown, which the run itself tells.
import type { Run, RunSpan } from '../flows/types'
import { moment, nsBetween, type Moment } from '../base/time'
import { connect, rowOf, type Hop, type Row, type StepMark, type Trace } from '../trace/model'
import { plainSpan, type Outline, type OutlineSpan } from '../trace/outline'
import { timelineOf } from './timeline'

/** What is known of a trace: its spans, that they are not here yet, or why they will not come. */
export type Loaded = Outline | 'waiting' | 'gone' | 'large'

export interface Group {
  traceId: string
  /** The row that stands for the trace. */
  row: number
  spans: number
  steps: number
  loaded: Loaded
}

export interface RunTrace extends Trace {
  /** There are gaps that are worth folding. */
  foldable: boolean
  groups: Group[]
  byTrace: Map<string, Group>
}

interface Part {
  traceId: string
  loaded: Loaded
  spans: readonly OutlineSpan[]
  steps: RunSpan[]
  /** When it began, as far as is known: offsets of its spans count from there. */
  at: Moment
}

const FAR: Moment = { ms: Infinity, ns: 0 }

function earlier(a: Moment, b: Moment): boolean {
  return a.ms < b.ms || (a.ms === b.ms && a.ns < b.ns)
}

function spanOf(step: RunSpan, at: Moment): OutlineSpan {
  return {
    ...plainSpan({
      trace_id: step.trace_id,
      span_id: step.span_id,
      name: step.step ?? 'flow',
      service: step.service.name,
      offset: nsBetween(at, moment(step.start)),
      duration: step.duration_ns,
    }),
    failed: step.status === 'failed' || step.status === 'error',
  }
}

function earliest(spans: RunSpan[]): Moment {
  return spans.reduce<Moment>((least, span) => {
    const start = moment(span.start)
    return earlier(start, least) ? start : least
  }, FAR)
}

function partsOf(run: Run, loaded: ReadonlyMap<string, Loaded>): Part[] {
  const own = new Map<string, RunSpan[]>()
  for (const span of [...run.steps, ...(run.envelopes ?? [])])
    own.set(span.trace_id, [...(own.get(span.trace_id) ?? []), span])
  const parts = [...new Set([...run.traces, ...own.keys()])].map((traceId): Part & { first: Moment } => {
    const state = loaded.get(traceId) ?? 'waiting'
    const told = own.get(traceId) ?? []
    const first = earliest(told)
    const at = typeof state === 'string' ? first : moment(state.start)
    return {
      traceId,
      loaded: state,
      spans: typeof state === 'string' ? told.map((step) => spanOf(step, at)) : state.spans,
      steps: told.filter((span) => span.step !== undefined),
      at,
      // By the run's own spans, so that the order stays while traces are read.
      first: first === FAR ? at : first,
    }
  })
  return parts
    .filter((part) => part.at !== FAR)
    .sort((a, b) => (earlier(a.first, b.first) ? -1 : earlier(b.first, a.first) ? 1 : 0))
}

const NOTES: Record<string, string> = {
  waiting: 'steps only',
  gone: 'steps only: its spans are no longer stored',
  large: 'steps only: very many spans',
}

/** A span of the page's own: the trace as a whole. Its id is the trace's, which no span has. */
function headOf(part: Part): OutlineSpan {
  const root = typeof part.loaded === 'string' ? undefined : part.spans[0]
  return plainSpan({
    trace_id: part.traceId,
    span_id: part.traceId,
    name: root?.name ?? '',
    service: root?.service ?? 'Trace',
    offset: 0,
    duration: 0,
  })
}

function marksOf(run: Run): Map<string, StepMark> {
  const numbers = new Map<string, number>()
  return new Map(
    run.steps.map((span, index) => {
      const name = span.step ?? ''
      const again = numbers.has(name)
      numbers.set(name, index)
      return [
        `${span.trace_id} ${span.span_id}`,
        { number: index + 1, name, again, critical: span.critical === true, slack: span.slack_ns ?? 0 },
      ]
    }),
  )
}

/** From what a link names to the span that has it, where both are in the run and in different traces. */
function hopsOf(rows: Row[]): Hop[] {
  const places = new Map(rows.map((row) => [`${row.span.trace_id} ${row.span.span_id}`, row]))
  return rows.flatMap((row) =>
    row.span.links.flatMap((link) => {
      const from = link.trace_id === row.span.trace_id ? null : places.get(`${link.trace_id} ${link.span_id}`)
      return from ? [{ from: from.index, to: row.index }] : []
    }),
  )
}

function rowsOf(
  parts: Part[],
  origin: Moment,
  marks: Map<string, StepMark>,
): { rows: Row[]; groups: Group[] } {
  const rows: Row[] = []
  const groups: Group[] = []
  for (const part of parts) {
    const base = nsBetween(origin, part.at)
    const head: Row = { ...rowOf(headOf(part), rows.length, base), head: true }
    rows.push(head)
    for (const span of part.spans) {
      const row = rowOf(span, rows.length, base)
      const step = marks.get(`${span.trace_id} ${span.span_id}`)
      row.depth = span.depth + 1
      // The run's path, not that of each trace by itself.
      row.critical = step?.critical === true ? [[row.start, row.start + row.duration]] : []
      if (step) row.step = step
      rows.push(row)
    }
    const own = rows.slice(head.index + 1)
    head.start = own.reduce((least, row) => Math.min(least, row.start), Infinity)
    head.duration = own.reduce((most, row) => Math.max(most, row.start + row.duration), 0) - head.start
    head.span.duration = head.duration
    head.steps = own.flatMap((row) => (row.step ? [[row.start, row.start + row.duration]] : []))
    groups.push({
      traceId: part.traceId,
      row: head.index,
      spans: typeof part.loaded === 'string' ? 0 : part.spans.length,
      steps: part.steps.length,
      loaded: part.loaded,
    })
  }
  return { rows, groups }
}

/** Folds times; afterwards `start` and `duration` are what is drawn, and the span has what is true. */
function place(rows: Row[], shown: (ns: number) => number): void {
  for (const row of rows) {
    const end = shown(row.start + row.duration)
    row.start = shown(row.start)
    row.duration = end - row.start
    row.critical = row.critical.map(([from, to]) => [shown(from), shown(to)])
    if (row.steps) row.steps = row.steps.map(([from, to]) => [shown(from), shown(to)])
    row.ticks = row.ticks.map((tick) => ({ ...tick, at: shown(tick.at) }))
  }
}

export function runTraceOf(run: Run, loaded: ReadonlyMap<string, Loaded>, fold: boolean): RunTrace {
  const parts = partsOf(run, loaded)
  const origin = parts.reduce((least, part) => (earlier(part.at, least) ? part.at : least), moment(run.start))
  const { rows, groups } = rowsOf(parts, origin, marksOf(run))
  const length = rows.reduce((most, row) => Math.max(most, row.start + row.duration), 1)
  const moments = rows
    .filter((row) => row.head !== true)
    .flatMap((row) => [row.start, row.start + row.duration])
  const timeline = timelineOf(moments, length, origin.ms, fold)
  place(rows, timeline.shown)
  connect(rows)
  for (const group of groups) {
    const head = rows[group.row]
    if (head) head.note = typeof group.loaded === 'string' ? (NOTES[group.loaded] ?? '') : ''
  }
  const spans = rows.filter((row) => row.head !== true)
  return {
    answer: {
      trace_id: run.run_id,
      start: run.start,
      duration_ns: length,
      errors: spans.filter((row) => row.error).length,
      orphans: 0,
      services: [],
    },
    origin,
    length: timeline.length,
    rows,
    bySpan: new Map([...rows].reverse().map((row) => [row.span.span_id, row.index])),
    services: [...new Set(spans.map((row) => row.span.service))],
    maxDepth: rows.reduce((most, row) => Math.max(most, row.depth), 0),
    skewed: false,
    events: 0,
    moreEvents: 0,
    gaps: timeline.gaps,
    foldable: timeline.foldable,
    ticks: timeline.ticks,
    hops: hopsOf(spans),
    groups,
    byTrace: new Map(groups.map((group) => [group.traceId, group])),
  }
}

export function startOf(run: Run, span: RunSpan): number {
  return nsBetween(moment(run.start), moment(span.start))
}

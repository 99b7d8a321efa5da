// SPDX-License-Identifier: Apache-2.0
// A trace as rows: depth-first as the server sends it, times relative to the trace's start.
import type { Span, TraceAnswer } from '../api/types'
import { duration } from '../base/format'
import { moment, nsBetween, type Moment } from '../base/time'

/** The span is a step of the run that is shown. */
export interface StepMark {
  number: number
  name: string
  /** It came before in this run. */
  again: boolean
  critical: boolean
  /** How much later it could have ended, in nanoseconds. */
  slack: number
}

export interface Row {
  index: number
  span: Span
  depth: number
  /** -1: a root. */
  parent: number
  /** The first row behind this one's descendants. */
  end: number
  /** No later sibling. */
  last: boolean
  start: number
  duration: number
  skew: number
  error: boolean
  critical: [number, number][]
  ticks: { at: number; error: boolean }[]
  note: string
  /** Stands for a whole trace of a run. */
  head?: boolean
  /** Of a whole trace: when its steps were. */
  steps?: [number, number][]
  step?: StepMark
}

export interface Tick {
  at: number
  text: string
  strong: boolean
}

/** A stretch of time in which nothing happens, drawn shorter than it is: `ns`. */
export interface Gap {
  from: number
  to: number
  ns: number
}

/** From one row to another, over a queue. */
export interface Hop {
  from: number
  to: number
}

export interface Trace {
  answer: TraceAnswer
  origin: Moment
  /** All that is drawn lies between 0 and this. */
  length: number
  rows: Row[]
  bySpan: Map<string, number>
  services: string[]
  maxDepth: number
  skewed: boolean
  events: number
  /** Of a run over several traces. */
  gaps?: Gap[]
  hops?: Hop[]
  ticks?: (part: Part, count: number) => Tick[]
}

export function isError(span: Span): boolean {
  return span.status?.code === 'error'
}

/** What the span touched, in a word: a table, a system, or the queue that it came over. */
function noteOf(span: Span, leaf: boolean): string {
  const touched = span.map?.find(
    ({ relation, source_name }) =>
      source_name === span.service && relation !== 'performs' && relation !== 'follows',
  )
  if (!touched) return ''
  if (touched.relation === 'consumes') return `via ${touched.target_name}`
  if (touched.relation === 'calls' && !leaf) return ''
  return touched.target_name
}

export function rowOf(span: Span, index: number, origin: Moment): Row {
  return {
    index,
    span,
    depth: span.depth,
    parent: -1,
    end: index + 1,
    last: true,
    start: nsBetween(origin, moment(span.start)),
    duration: span.duration_ns,
    skew: span.skew_adjustment_ns ?? 0,
    error: isError(span),
    critical: (span.critical ?? []).map((part) => {
      const from = nsBetween(origin, moment(part.start))
      return [from, from + part.duration_ns]
    }),
    ticks: (span.events ?? []).slice(0, 100).map((event) => ({
      at: nsBetween(origin, moment(event.time)),
      error: event.name === 'exception',
    })),
    note: '',
  }
}

/** Finds parents, ends and last siblings by depth. */
export function connect(rows: Row[]): void {
  const open: Row[] = []
  const lastChild = new Map<number, Row>()
  for (const row of rows) {
    while (open.length > 0 && (open.at(-1)?.depth ?? -1) >= row.depth) open.pop()
    row.parent = open.at(-1)?.index ?? -1
    for (const ancestor of open) ancestor.end = row.index + 1
    const before = lastChild.get(row.parent)
    if (before) before.last = false
    lastChild.set(row.parent, row)
    open.push(row)
  }
  for (const row of rows) row.note = noteOf(row.span, row.end === row.index + 1)
}

export function traceOf(answer: TraceAnswer): Trace {
  const origin = moment(answer.start)
  const rows = answer.spans.map((span, index) => rowOf(span, index, origin))
  connect(rows)
  const services: string[] = []
  const seen = new Set<string>()
  let length = Math.max(1, answer.duration_ns)
  let maxDepth = 0
  let skewed = false
  for (const row of rows) {
    if (!seen.has(row.span.service)) {
      seen.add(row.span.service)
      services.push(row.span.service)
    }
    length = Math.max(length, row.start + row.duration)
    maxDepth = Math.max(maxDepth, row.depth)
    skewed ||= row.skew !== 0
  }
  return {
    answer,
    origin,
    length,
    rows,
    bySpan: new Map(rows.map((row) => [row.span.span_id, row.index])),
    services,
    maxDepth,
    skewed,
    events: rows.reduce((sum, row) => sum + (row.span.events?.length ?? 0), 0),
  }
}

/** Rows to show when those in `folded` hide their descendants. */
export function visibleRows(trace: Trace, folded: ReadonlySet<string>): Row[] {
  if (folded.size === 0) return trace.rows
  const out: Row[] = []
  for (let at = 0; at < trace.rows.length;) {
    const row = trace.rows[at]
    if (!row) break
    out.push(row)
    at = folded.has(row.span.span_id) ? row.end : at + 1
  }
  return out
}

export interface Part {
  from: number
  to: number
}

const AXIS_STEPS = [1, 2, 5]

/** What the axis says, at most about `count` times. */
export function ticksOf(trace: Trace, part: Part, count: number): Tick[] {
  if (trace.ticks) return trace.ticks(part, count)
  return axisTicks(part, count).map((at) => ({ at, text: at === 0 ? '0' : duration(at), strong: false }))
}

/** Round times for the axis, at most `count` of them. */
export function axisTicks({ from, to }: Part, count: number): number[] {
  const least = (to - from) / Math.max(1, count)
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)))
  const factor = AXIS_STEPS.find((candidate) => candidate * power >= least) ?? 10
  const step = factor * power
  const out: number[] = []
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) out.push(at)
  return out
}

// SPDX-License-Identifier: Apache-2.0
// A trace as rows: depth-first as the server sends it, times relative to the trace's start.
import type { TraceHead } from '../api/types'
import { duration } from '../base/format'
import { moment, type Moment } from '../base/time'
import type { Outline, OutlineSpan } from './outline'

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
  span: OutlineSpan
  depth: number
  /** -1: a root. */
  parent: number
  /** The first row behind this one's descendants. */
  end: number
  /** No later sibling. */
  last: boolean
  /** When it began; `start` and `duration` are where it is drawn. */
  at: number
  start: number
  duration: number
  skew: number
  error: boolean
  critical: readonly [number, number][]
  ticks: readonly { at: number; error: boolean }[]
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
  answer: TraceHead
  origin: Moment
  /** All that is drawn lies between 0 and this. */
  length: number
  rows: Row[]
  bySpan: Map<string, number>
  services: string[]
  maxDepth: number
  skewed: boolean
  events: number
  /** Events besides, which only their spans tell. */
  moreEvents: number
  /** Of a run over several traces. */
  gaps?: Gap[]
  hops?: Hop[]
  ticks?: (part: Part, count: number) => Tick[]
}

/** What the span touched, in a word: a table, a system, or the queue that it came over. */
function noteOf(span: OutlineSpan, leaf: boolean): string {
  const touched = span.map.find(
    ({ relation, source_name }) =>
      source_name === span.service && relation !== 'performs' && relation !== 'follows',
  )
  if (!touched) return ''
  if (touched.relation === 'consumes') return `via ${touched.target_name}`
  if (touched.relation === 'calls' && !leaf) return ''
  return touched.target_name
}

const TICKS_MAX = 100
const NO_TICKS: Row['ticks'] = []

/** `base`: when the span's trace began, in nanoseconds since what is shown begins. */
export function rowOf(span: OutlineSpan, index: number, base: number): Row {
  return {
    index,
    span,
    depth: span.depth,
    parent: -1,
    end: index + 1,
    last: true,
    at: base + span.offset,
    start: base + span.offset,
    duration: span.duration,
    skew: span.skew,
    error: span.failed,
    critical: base === 0 ? span.critical : span.critical.map(([from, to]) => [base + from, base + to]),
    ticks:
      span.events.length === 0
        ? NO_TICKS
        : span.events
            .slice(0, TICKS_MAX)
            .map(({ offset, name }) => ({ at: base + offset, error: name === 'exception' })),
    note: '',
  }
}

/** Finds parents, ends and last siblings by depth. */
export function connect(rows: Row[]): void {
  const open: Row[] = []
  const lastChild = new Map<number, Row>()
  const close = (depth: number, index: number) => {
    for (let top = open.at(-1); top && top.depth >= depth; top = open.at(-1)) {
      top.end = index
      open.pop()
    }
  }
  for (const row of rows) {
    close(row.depth, row.index)
    row.parent = open.at(-1)?.index ?? -1
    const before = lastChild.get(row.parent)
    if (before) before.last = false
    lastChild.set(row.parent, row)
    open.push(row)
  }
  close(-1, rows.length)
  for (const row of rows) row.note = noteOf(row.span, row.end === row.index + 1)
}

export function traceOf(answer: Outline): Trace {
  const rows = answer.spans.map((span, index) => rowOf(span, index, 0))
  connect(rows)
  const services: string[] = []
  const seen = new Set<string>()
  let length = Math.max(1, answer.duration_ns)
  let maxDepth = 0
  let skewed = false
  let events = 0
  let moreEvents = 0
  for (const row of rows) {
    if (!seen.has(row.span.service)) {
      seen.add(row.span.service)
      services.push(row.span.service)
    }
    length = Math.max(length, row.start + row.duration)
    maxDepth = Math.max(maxDepth, row.depth)
    skewed ||= row.skew !== 0
    events += row.span.events.length
    moreEvents += row.span.moreEvents
  }
  return {
    answer,
    origin: moment(answer.start),
    length,
    rows,
    bySpan: new Map(rows.map((row) => [row.span.span_id, row.index])),
    services,
    maxDepth,
    skewed,
    events,
    moreEvents,
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

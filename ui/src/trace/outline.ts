// SPDX-License-Identifier: Apache-2.0
// The outline of a trace as the server sends it (columns, texts and edges by number) and as the page uses it:
// a span with what a row, a bar and a sum need. All else of a span is asked for when somebody looks at it.
import type { OnMap, TraceHead } from '../api/types'

export interface OutlineAnswer extends TraceHead {
  spans: {
    span_id: string[]
    depth: number[]
    name: number[]
    service: number[]
    kind: number[]
    offset_ns: number[]
    duration_ns: number[]
    self_time_ns: number[]
  }
  failed: number[]
  orphaned: number[]
  critical: [number, number, number][]
  skew: [number, number][]
  events: [number, number, number][]
  /** Of spans with more events than are told: how many more. */
  more_events: [number, number][]
  links: [number, string, string][]
  map: [number, number][]
  edges: OnMap[]
  texts: string[]
}

export interface OutlineEvent {
  offset: number
  name: string
}

export interface OutlineLink {
  trace_id: string
  span_id: string
}

/** Times in nanoseconds; offsets are from the start of the span's trace. */
export interface OutlineSpan {
  trace_id: string
  span_id: string
  name: string
  service: string
  kind: string
  depth: number
  offset: number
  duration: number
  self: number
  failed: boolean
  orphan: boolean
  skew: number
  criticalTime: number
  critical: readonly [number, number][]
  events: readonly OutlineEvent[]
  /** How many more events it has. */
  moreEvents: number
  links: readonly OutlineLink[]
  map: readonly OnMap[]
}

export interface Outline extends TraceHead {
  spans: OutlineSpan[]
}

/** As OTLP numbers them. */
const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer']
const NONE: readonly never[] = []
/** What few spans have more of. */
const UNMARKED = {
  failed: false,
  orphan: false,
  skew: 0,
  criticalTime: 0,
  critical: NONE,
  events: NONE,
  moreEvents: 0,
  links: NONE,
  map: NONE,
}

/** Of a span of which no outline was read. */
export const UNKNOWN_KIND = 'unknown'

/** A span of which nothing else is known. */
export function plainSpan(
  of: Pick<OutlineSpan, 'trace_id' | 'span_id' | 'name' | 'service' | 'offset' | 'duration'>,
): OutlineSpan {
  return {
    ...UNMARKED,
    kind: UNKNOWN_KIND,
    depth: 0,
    self: of.duration,
    ...of,
  }
}

function added<T>(list: readonly T[], item: T): readonly T[] {
  if (list.length === 0) return [item]
  ;(list as T[]).push(item)
  return list
}

export function outlineOf(answer: OutlineAnswer): Outline {
  const { texts } = answer
  const text = (index: number | undefined) => texts[index ?? -1] ?? ''
  const column = answer.spans
  const spans = column.span_id.map((span_id, at): OutlineSpan => ({
    ...UNMARKED,
    trace_id: answer.trace_id,
    span_id,
    name: text(column.name[at]),
    service: text(column.service[at]),
    kind: KINDS[column.kind[at] ?? 0] ?? 'unspecified',
    depth: column.depth[at] ?? 0,
    offset: column.offset_ns[at] ?? 0,
    duration: column.duration_ns[at] ?? 0,
    self: column.self_time_ns[at] ?? 0,
  }))
  const each = <T extends [number, ...unknown[]]>(list: T[], put: (span: OutlineSpan, item: T) => void) => {
    for (const item of list) {
      const span = spans[item[0]]
      if (span) put(span, item)
    }
  }
  for (const at of answer.failed) if (spans[at]) spans[at].failed = true
  for (const at of answer.orphaned) if (spans[at]) spans[at].orphan = true
  each(answer.skew, (span, [, ns]) => (span.skew = ns))
  each(answer.critical, (span, [, offset, ns]) => {
    span.critical = added(span.critical, [offset, offset + ns])
    span.criticalTime += ns
  })
  each(answer.events, (span, [, offset, name]) => {
    span.events = added(span.events, { offset, name: text(name) })
  })
  each(answer.more_events, (span, [, more]) => (span.moreEvents = more))
  each(answer.links, (span, [, trace_id, span_id]) => {
    span.links = added(span.links, { trace_id, span_id })
  })
  each(answer.map, (span, [, edge]) => {
    const element = answer.edges[edge]
    if (element) span.map = added(span.map, element)
  })
  return { ...answer, spans }
}

// SPDX-License-Identifier: Apache-2.0
// A whole trace as its outline, and some of its spans whole: as /traces/{id}/outline and /traces/{id}/spans answer.
const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer']
const EVENTS_MAX = 100
const DERIVED = [
  'service',
  'depth',
  'orphan',
  'self_time_ns',
  'critical',
  'critical_ns',
  'skew_adjustment_ns',
  'map',
]

function ns(text) {
  const [whole, rest = '0'] = text.replace('Z', '').split('.')
  return BigInt(Date.parse(`${whole}Z`)) * 1_000_000n + BigInt(rest.padEnd(9, '0'))
}

class Numbers {
  list = []
  known = new Map()
  of(key, value = key) {
    if (!this.known.has(key)) this.known.set(key, this.list.push(value) - 1)
    return this.known.get(key)
  }
}

export function outlineOf({ spans, ...head }) {
  const begin = ns(head.start)
  const offset = (time) => Number(ns(time) - begin)
  const texts = new Numbers()
  const edges = new Numbers()
  const pairs = (rows) => spans.flatMap((span, at) => rows(span).map((row) => [at, ...row]))
  const which = (fits) => spans.flatMap((span, at) => (fits(span) ? [at] : []))
  return {
    truncated: null,
    ...head,
    spans: {
      span_id: spans.map((span) => span.span_id),
      depth: spans.map((span) => span.depth),
      name: spans.map((span) => texts.of(span.name)),
      service: spans.map((span) => texts.of(span.service)),
      kind: spans.map((span) => KINDS.indexOf(span.kind)),
      offset_ns: spans.map((span) => offset(span.start)),
      self_time_ns: spans.map((span) => span.self_time_ns),
      duration_ns: spans.map((span) => span.duration_ns),
    },
    failed: which((span) => span.status.code === 'error'),
    orphaned: which((span) => span.orphan),
    critical: pairs((span) => span.critical.map((part) => [offset(part.start), part.duration_ns])),
    skew: pairs((span) => (span.skew_adjustment_ns === 0 ? [] : [[span.skew_adjustment_ns]])),
    events: pairs((span) =>
      (span.events ?? []).slice(0, EVENTS_MAX).map((event) => [offset(event.time), texts.of(event.name)]),
    ),
    more_events: pairs(({ events = [] }) =>
      events.length > EVENTS_MAX ? [[events.length - EVENTS_MAX]] : [],
    ),
    links: pairs((span) => (span.links ?? []).map((link) => [link.trace_id, link.span_id])),
    map: pairs((span) => (span.map ?? []).map((edge) => [edges.of(edge.edge, edge)])),
    edges: edges.list,
    texts: texts.list,
  }
}

export function wholeSpans({ spans }, ids) {
  const wanted = new Set(ids.split(','))
  const items = spans
    .filter((span) => wanted.has(span.span_id))
    .map((span) => Object.fromEntries(Object.entries(span).filter(([key]) => !DERIVED.includes(key))))
  return { items, cursor: null }
}

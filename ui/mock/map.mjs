// SPDX-License-Identifier: Apache-2.0
// Answers about the map: a model's rates over the window asked for, with a daily rhythm and an incident.
import { traceIdAt } from './traces.mjs'

const MINUTE = 60_000

/** How busy a minute is against the model's rate. */
export function rhythm(at) {
  const hour = (at / 3600e3) % 24
  const wave = 0.82 + 0.28 * Math.sin(((hour - 7) / 24) * 2 * Math.PI)
  const noise = Math.sin(at / MINUTE) * 0.03 + Math.sin(at / MINUTE / 2.7) * 0.04
  return Math.max(0.2, wave + noise)
}

/** An incident of 20 minutes, three hours before the present hour. */
export function trouble(at, now) {
  const begin = Math.floor(now / 3600e3) * 3600e3 - 3 * 3600e3 + 10 * MINUTE
  const part = (at - begin) / (20 * MINUTE)
  return part > 0 && part < 1 ? Math.sin(part * Math.PI) * 0.35 : 0
}

export function time(at) {
  return new Date(at).toISOString().replace('Z', '000000Z')
}

/** 40 minutes ago payment v2.3 came: fraud is called by it instead of reading the queue. */
export function changeAt(now) {
  return Math.floor((now - 40 * MINUTE) / (5 * MINUTE)) * 5 * MINUTE
}

const UNITS = { s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3 }

export function parseTime(text, now) {
  if (text === null || text === 'now') return now
  const relative = /^-(\d+)([smhd])$/.exec(text)
  if (relative) return now - Number(relative[1]) * UNITS[relative[2]]
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) < 1e11 ? Number(text) * 1000 : Number(text)
  return Date.parse(text)
}

export function windowOf(params, now) {
  const to = parseTime(params.get('to'), now)
  const from = params.get('from') === null ? to - 15 * MINUTE : parseTime(params.get('from'), now)
  return { from: Math.floor(from / MINUTE) * MINUTE, to: Math.ceil(to / MINUTE) * MINUTE }
}

function sum({ from, to }, now, value) {
  let total = 0
  for (let at = from; at < Math.min(to, now); at += MINUTE)
    total += value(at) * Math.min(1, (now - at) / MINUTE)
  return total
}

function quantiles(p50, p99) {
  return {
    p50_ns: Math.round(p50 * 1e6),
    p90_ns: Math.round((p50 + p99) * 0.5e6),
    p99_ns: Math.round(p99 * 1e6),
  }
}

function exemplars(edge, window, now) {
  const last = Math.min(window.to, now - 4000)
  const at = (back, duration) => ({
    trace_id: traceIdAt(last - back),
    start: time(last - back),
    duration_ns: duration * 1e6,
  })
  return {
    latest: [at(0, edge.p50 * 1.1)],
    error: edge.errors > 0 ? [at(79_000, edge.p50 * 9)] : [],
    slowest: [at(222_000, edge.p99 * 7)],
  }
}

/** What one call a minute adds up to in a window; the same for all edges, so it is summed once. */
function sums(window, now) {
  return {
    calls: sum(window, now, rhythm),
    errors: sum(window, now, (at) => rhythm(at) * (1 + 20 * trouble(at, now))),
    minutes: sum(window, now, () => 1),
  }
}

function living(edge, window, now) {
  const change = changeAt(now)
  if (edge.life === 'until') return { from: window.from, to: Math.min(window.to, change) }
  if (edge.life === 'since') return { from: Math.max(window.from, change), to: window.to }
  return window
}

export function edgeAnswer(edge, whole, now, given = sums(whole, now)) {
  const window = living(edge, whole, now)
  const total = window === whole ? given : sums(window, now)
  const count = Math.round(edge.perMinute * total.calls)
  const errors = Math.round(edge.perMinute * edge.errors * total.errors)
  const odd = Math.round(count * 0.0044)
  return {
    id: edge.id,
    source: edge.source,
    target: edge.target,
    relation: edge.relation,
    count,
    errors,
    adjusted_count: count,
    duration: quantiles(edge.p50, edge.p99 * (edge.slower && window.to > changeAt(now) ? edge.slower : 1)),
    rules: edge.rule === 'paired' ? { paired: count - odd, 'server.address': odd } : { [edge.rule]: count },
    intervals: edge.life
      ? [
          edge.life === 'since'
            ? { first: time(changeAt(now)), last: time(now - MINUTE) }
            : { first: time(now - 17 * 86_400e3), last: time(changeAt(now) - MINUTE) },
        ]
      : [
          { first: time(now - 17 * 86_400e3), last: time(now - 11 * 86_400e3) },
          { first: time(now - 11 * 86_400e3 + 21 * MINUTE), last: time(now - MINUTE) },
        ].filter((interval) => Date.parse(interval.last) >= window.from),
    flows: edge.step
      ? [
          { flow: 'checkout.place_order', step: edge.step, count: Math.round(count * 0.985) },
          { flow: 'checkout.refund', step: 'pay_back', count: Math.round(count * 0.015) },
        ]
      : [],
    exemplars: exemplars(edge, window, now),
  }
}

export function mapAnswer({ nodes, model, hops }, window, now) {
  const total = sums(window, now)
  const edges = model.map((edge) => edgeAnswer(edge, window, now, total)).filter((edge) => edge.count > 0)
  const into = new Map()
  for (const edge of edges) {
    const service = edge.relation === 'consumes' ? edge.source : edge.target
    const before = into.get(service) ?? { count: 0, errors: 0, duration: edge.duration }
    into.set(service, {
      count: before.count + edge.count,
      errors: before.errors + edge.errors,
      duration: edge.duration,
    })
  }
  const outOf = new Map(edges.map((edge) => [edge.source, edge]))
  const present = edges.length > 0
  return {
    from: time(window.from),
    to: time(window.to),
    nodes: !present
      ? []
      : nodes.map((node) => {
          const seen = { ...node, last_seen: time(now - MINUTE) }
          if (node.name === 'payment' && window.from >= changeAt(now))
            seen.labels = { ...node.labels, 'service.version': '2.3.0' }
          if (node.type !== 'service') return seen
          const traffic = into.get(node.id) ?? outOf.get(node.id)
          if (!traffic) return seen
          return { ...seen, requests: traffic.count, errors: traffic.errors, duration: traffic.duration }
        }),
    edges,
    hops: hops
      .filter(([, , , , , life]) => life !== 'until' || window.from < changeAt(now))
      .map(([producer, queue, consumer, rate, age]) => ({
        producer,
        queue,
        consumer,
        count: Math.round(rate * total.minutes),
        age: quantiles(age * 1000, age * 4000),
      })),
    widened: false,
    truncated: null,
    complete_to: time(now - 5000),
    layout: { width: 1000, height: 620 },
  }
}

export function series(edge, window, stepMs, now) {
  const points = []
  for (let at = window.from; at < Math.min(window.to, now); at += stepMs) {
    const minutes = Math.min(stepMs, now - at) / MINUTE
    const count = Math.round(edge.perMinute * rhythm(at) * minutes)
    const bad = edge.errors * (1 + 20 * trouble(at, now)) * (Math.sin(at / 47_000) > 0.6 ? 3 : 0)
    const sway = 1 + 0.12 * Math.sin(at / 97_000)
    points.push({
      time: time(at),
      count,
      errors: Math.round(count * bad),
      p50_ns: Math.round(edge.p50 * 1e6 * sway),
      p99_ns: Math.round(edge.p99 * 1e6 * sway),
    })
  }
  return points
}

const DEPLOYS = [
  [-300, 'search', '5.0.1'],
  [-120, 'cart', '1.18.1'],
]

/** What came, went and was deployed in a step. */
function happened(at, step, now) {
  const change = changeAt(now)
  const here = (moment) => moment >= at && moment < at + step
  const edge = (id, source, relation, target) => ({
    id: `${id}`,
    relation,
    source_name: source,
    target_name: target,
  })
  const deploys = [...DEPLOYS, [(change - MINUTE - now) / MINUTE, 'payment', '2.3.0']]
    .filter(([minutes]) => here(Math.floor(now / MINUTE + minutes) * MINUTE))
    .map(([, name, version]) => ({ service: name, name, version }))
  return {
    nodes: 21,
    edges: 25,
    appeared: { nodes: [], edges: here(change) ? [edge('new', 'payment', 'calls', 'fraud')] : [] },
    vanished: { nodes: [], edges: here(change) ? [edge('gone', 'fraud', 'consumes', 'orders')] : [] },
    deploys,
  }
}

export function history(params, now, perMinute) {
  const window = windowOf(params, now)
  const step = Number((params.get('step') ?? '60s').replace('s', '')) * 1000
  const items = []
  for (let at = window.from; at < Math.min(window.to, now); at += step) {
    const minutes = Math.min(step, now - at) / MINUTE
    const requests = Math.round(perMinute * rhythm(at) * minutes)
    const errors = Math.round(requests * (trouble(at, now) + (Math.sin(at / 1.7e6) > 0.93 ? 0.02 : 0)))
    items.push({ time: time(at), requests, errors, ...happened(at, step, now) })
  }
  return { items, cursor: null }
}

/** What `/map/diff` says, by the model itself instead of by a test of significance. */
export function diffAnswer(world, a, b, now) {
  const [before, after] = [mapAnswer(world, a, now), mapAnswer(world, b, now)]
  const name = new Map([...before.nodes, ...after.nodes].map((node) => [node.id, node.name]))
  const missing = (list, other) => list.filter((item) => !other.some((same) => same.id === item.id))
  const minutes = ({ from, to }) => (Math.min(to, now) - from) / MINUTE
  const changed = []
  for (const edge of after.edges) {
    const was = before.edges.find((other) => other.id === edge.id)
    if (!was) continue
    const tell = (what, left, right, more = {}) =>
      changed.push({
        edge: edge.id,
        what,
        a: left,
        b: right,
        significance: 4,
        relation: edge.relation,
        source: edge.source,
        target: edge.target,
        source_name: name.get(edge.source),
        target_name: name.get(edge.target),
        ...more,
      })
    const [failedA, failedB] = [was.errors / was.count, edge.errors / edge.count]
    if (Math.abs(failedA - failedB) > 0.01) tell('errors', failedA, failedB)
    if (Math.abs(edge.duration.p99_ns / was.duration.p99_ns - 1) > 0.1)
      tell('latency', was.duration.p99_ns, edge.duration.p99_ns, { quantile: 0.99 })
    const [often, oftenB] = [was.count / minutes(a), edge.count / minutes(b)]
    if (Math.abs(oftenB / often - 1) > 0.25) tell('rate', often, oftenB)
  }
  const part = (left, right) => ({
    nodes: missing(left.nodes, right.nodes),
    edges: missing(left.edges, right.edges),
  })
  return {
    a: { from: time(a.from), to: time(a.to) },
    b: { from: time(b.from), to: time(b.to) },
    widened: false,
    added: part(after, before),
    removed: part(before, after),
    changed,
    truncated: false,
    complete_to: time(now - 5000),
  }
}

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

export function edgeAnswer(edge, window, now, total = sums(window, now)) {
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
    duration: quantiles(edge.p50, edge.p99),
    rules: edge.rule === 'paired' ? { paired: count - odd, 'server.address': odd } : { [edge.rule]: count },
    intervals: [
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
          if (node.type !== 'service') return seen
          const traffic = into.get(node.id) ?? outOf.get(node.id)
          if (!traffic) return seen
          return { ...seen, requests: traffic.count, errors: traffic.errors, duration: traffic.duration }
        }),
    edges,
    hops: hops.map(([producer, queue, consumer, rate, age]) => ({
      producer,
      queue,
      consumer,
      count: Math.round(rate * total.minutes),
      age: quantiles(age * 1000, age * 4000),
    })),
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

export function history(params, now, perMinute) {
  const window = windowOf(params, now)
  const step = Number((params.get('step') ?? '60s').replace('s', '')) * 1000
  const items = []
  for (let at = window.from; at < Math.min(window.to, now); at += step) {
    const minutes = Math.min(step, now - at) / MINUTE
    const requests = Math.round(perMinute * rhythm(at) * minutes)
    const errors = Math.round(requests * (trouble(at, now) + (Math.sin(at / 1.7e6) > 0.93 ? 0.02 : 0)))
    items.push({ time: time(at), requests, errors })
  }
  return { items, cursor: null }
}

// SPDX-License-Identifier: Apache-2.0
// Enough of TraceQL's span filters to try the page: comparisons joined by &&, and errors with a position.
import { EVERY_MS, summaryOf, traceAnswer, traceIdAt } from './traces.mjs'

export class BadQuery extends Error {}

const UNITS = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 }

export function parse(text) {
  const query = text.trim()
  if (query === '' || /^\{\s*\}$/.test(query)) return []
  if (!query.startsWith('{')) throw new BadQuery(`at character 1: '{' expected`)
  if (!query.endsWith('}')) throw new BadQuery(`at character ${query.length + 1}: '}' expected`)
  const conditions = []
  let at = 1
  const skip = () => (at += /^\s*/.exec(query.slice(at))[0].length)
  for (;;) {
    skip()
    const match = /^([\w.:-]+)\s*(=~|!=|>=|<=|=|>|<)\s*("(?:[^"\\]|\\.)*"|[\w.]+)/.exec(query.slice(at))
    if (!match) throw new BadQuery(`at character ${at + 1}: a condition expected`)
    const [whole, key, operator, raw] = match
    conditions.push({ key, operator, value: valueOf(raw) })
    at += whole.length
    skip()
    if (query[at] === '}') return conditions
    if (!query.startsWith('&&', at)) throw new BadQuery(`at character ${at + 1}: '&&' or '}' expected`)
    at += 2
  }
}

function valueOf(raw) {
  if (raw.startsWith('"')) return raw.slice(1, -1).replace(/\\(.)/g, '$1')
  const duration = /^([\d.]+)(ns|us|ms|s|m|h)$/.exec(raw)
  if (duration) return Number(duration[1]) * UNITS[duration[2]]
  return /^[\d.]+$/.test(raw) ? Number(raw) : raw
}

function fieldOf(span, trace, key) {
  if (key === 'name') return span.name
  if (key === 'status') return span.status.code
  if (key === 'kind') return span.kind
  if (key === 'duration') return span.duration_ns
  if (key === 'traceDuration') return trace.duration_ns
  if (key === 'rootName') return trace.spans[0].name
  if (key === 'rootServiceName') return trace.spans[0].service
  const [level, ...rest] = key.split('.')
  const list = level === 'resource' ? span.resource.attributes : span.attributes
  const value = list.find((pair) => pair.key === rest.join('.'))?.value
  if (key === 'resource.deployment.environment.name') return 'prod'
  return value?.stringValue ?? (value?.intValue === undefined ? undefined : Number(value.intValue))
}

function holds(left, operator, right) {
  switch (operator) {
    case '=':
      return left === right
    case '!=':
      return left !== undefined && left !== right
    case '=~':
      return new RegExp(`^(?:${right})$`).test(String(left))
    case '>':
      return left > right
    case '>=':
      return left >= right
    case '<':
      return left < right
    default:
      return left <= right
  }
}

const MOST_SCANNED = 4000

export function searchTraces({ from, to }, conditions, limit, cursor) {
  let k = cursor === null ? Math.floor(to / EVERY_MS) : Number(cursor)
  const items = []
  let scanned = 0
  for (let looked = 0; k * EVERY_MS >= from && items.length < limit && looked < MOST_SCANNED; k--, looked++) {
    if (k * EVERY_MS > to) continue
    const trace = traceAnswer(k, traceIdAt(k * EVERY_MS))
    scanned += trace.spans.length
    const fits = trace.spans.some((span) =>
      conditions.every(({ key, operator, value }) => holds(fieldOf(span, trace, key), operator, value)),
    )
    if (conditions.length === 0 || fits) items.push(summaryOf(k))
  }
  return { items, cursor: k * EVERY_MS >= from ? String(k) : null, truncated: false, scanned_spans: scanned }
}

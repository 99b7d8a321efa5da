// SPDX-License-Identifier: Apache-2.0
// Traces that exist on a grid of time: one every two seconds, its id made from its place on the grid.
import { MODEL, NODES } from './shop.mjs'
import { analyse } from './analyse.mjs'

export const EVERY_MS = 2000
export const BIG_TRACE = '000000000000000000000000000004e20'.slice(-32)

export function traceIdAt(at) {
  const k = Math.floor(at / EVERY_MS)
  const mixed = (BigInt(k) * 0x9e3779b97f4a7c15n) & 0xffffffffffffffffn
  return mixed.toString(16).padStart(16, '0') + k.toString(16).padStart(16, '0')
}

export function gridOf(traceId) {
  const k = Number.parseInt(traceId.slice(16), 16)
  return traceIdAt(k * EVERY_MS) === traceId ? k : null
}

// depth, service, name, kind, start ms, duration ms, touched node ('table orders'), flags
const PLACE_ORDER = [
  [0, 'web', 'POST /checkout', 'server', 0, 1280, null],
  [1, 'gateway', 'POST /api/checkout', 'server', 6, 1268, null],
  [2, 'gateway', 'auth.verify', 'internal', 8, 13, null],
  [2, 'checkout', 'PlaceOrder', 'server', 24, 1246, null],
  [3, 'checkout', 'GET cart', 'client', 28, 42, null],
  [4, 'cart', 'GetCart', 'server', 32, 36, null],
  [5, 'cart', 'GET cart:*', 'client', 33, 3, 'database redis'],
  [5, 'cart', 'SELECT carts', 'client', 38, 26, 'table carts'],
  [3, 'checkout', 'validate_cart', 'internal', 71, 8, null],
  [3, 'inventory', 'Reserve', 'server', 82, 104, null],
  [4, 'inventory', 'SELECT stock', 'client', 87, 44, 'table stock'],
  [4, 'inventory', 'UPDATE stock', 'client', 132, 45, 'table stock'],
  [3, 'payment', 'Charge', 'server', 190, 322, null, 'error'],
  [4, 'fraud', 'Check', 'server', 196, 72, null],
  [5, 'fraud', 'GET profile:*', 'client', 200, 4, 'database redis'],
  [5, 'fraud', 'model.score', 'internal', 206, 56, null],
  [4, 'payment', 'POST /v1/charges', 'client', 272, 238, 'external stripe', 'error'],
  [3, 'checkout', 'backoff', 'internal', 514, 200, null],
  [3, 'payment', 'Charge', 'server', 716, 292, null],
  [4, 'fraud', 'Check', 'server', 719, 22, null],
  [4, 'payment', 'POST /v1/charges', 'client', 744, 222, 'external stripe'],
  [4, 'payment', 'INSERT payments', 'client', 968, 34, 'table payments'],
  [3, 'checkout', 'INSERT orders', 'client', 1012, 44, 'table orders'],
  [3, 'checkout', 'publish orders', 'producer', 1058, 11, 'queue orders'],
  [4, 'accounting', 'process orders', 'consumer', 1102, 118, 'queue orders', 'link'],
  [5, 'accounting', 'SELECT orders', 'client', 1108, 31, 'table orders'],
  [5, 'accounting', 'ledger.append', 'internal', 1144, 70, null],
  [3, 'shipping', 'Arrange', 'server', 1072, 122, null],
  [4, 'shipping', 'quote.rates', 'client', 1078, 64, null, 'skew'],
  [4, 'shipping', 'label.create', 'internal', 1144, 46, null],
  [3, 'checkout', 'publish emails', 'producer', 1196, 10, 'queue emails'],
  [4, 'mail', 'process emails', 'consumer', 1226, 48, 'queue emails', 'link'],
  [5, 'mail', 'render', 'internal', 1230, 12, null],
  [5, 'mail', 'smtp.send', 'client', 1243, 28, null],
]

const BROWSE = [
  [0, 'web', 'GET /search', 'server', 0, 92, null],
  [1, 'gateway', 'GET /api/search', 'server', 4, 84, null],
  [2, 'search', 'Search', 'server', 10, 71, null],
  [3, 'search', 'GET index:*', 'client', 14, 6, 'database redis'],
  [3, 'search', 'rank', 'internal', 22, 52, null],
]

const CART = [
  [0, 'web', 'POST /cart', 'server', 0, 48, null],
  [1, 'gateway', 'POST /api/cart', 'server', 3, 42, null],
  [2, 'cart', 'AddItem', 'server', 6, 34, null],
  [3, 'cart', 'GET cart:*', 'client', 8, 2, 'database redis'],
  [3, 'cart', 'UPDATE carts', 'client', 14, 21, 'table carts'],
]

const TEMPLATES = [PLACE_ORDER, BROWSE, CART, BROWSE]
const names = new Map(NODES.map((node) => [`${node.type} ${node.name}`, node]))
const KEYS = { string: (v) => ({ stringValue: v }), int: (v) => ({ intValue: String(v) }) }

function attribute(key, value) {
  return { key, value: typeof value === 'number' ? KEYS.int(value) : KEYS.string(value) }
}

function attributesOf(service, name, kind, touched, failed) {
  const out = []
  const [type, target] = (touched ?? '').split(' ')
  if (type === 'table' || target === 'redis') {
    out.push(attribute('db.system.name', type === 'table' ? 'postgresql' : 'redis'))
    if (type === 'table') out.push(attribute('db.collection.name', target))
    out.push(attribute('db.operation.name', name.split(' ')[0]))
  } else if (type === 'queue') {
    out.push(attribute('messaging.system', 'kafka'), attribute('messaging.destination.name', target))
  } else if (/^(GET|POST) /.test(name)) {
    out.push(attribute('http.request.method', name.split(' ')[0]))
    out.push(
      attribute(
        kind === 'server' ? 'http.route' : 'url.full',
        kind === 'server' ? name.split(' ')[1] : `https://api.stripe.com${name.split(' ')[1]}`,
      ),
    )
    out.push(attribute('http.response.status_code', failed ? 429 : 200))
    if (kind === 'client')
      out.push(attribute('server.address', 'api.stripe.com'), attribute('server.port', 443))
  }
  if (service === 'payment')
    out.push(
      attribute('payment.provider', 'stripe'),
      attribute('entity.type', 'order'),
      attribute('entity.id', '48213'),
    )
  return out
}

function onMap(service, parentService, kind, touched) {
  const from = names.get(`service ${service}`)
  const target = touched ? names.get(touched) : null
  const relation = kind === 'consumer' ? 'consumes' : kind === 'producer' ? 'publishes' : null
  const edge = target
    ? MODEL.find(
        (e) => e.source === from?.id && e.target === target.id && (!relation || e.relation === relation),
      )
    : MODEL.find(
        (e) =>
          e.source === names.get(`service ${parentService}`)?.id &&
          e.target === from?.id &&
          kind === 'server',
      )
  if (!edge) return undefined
  const name = (id) => NODES.find((node) => node.id === id)?.name
  return [
    {
      edge: edge.id,
      relation: edge.relation,
      source: edge.source,
      target: edge.target,
      source_name: name(edge.source),
      target_name: name(edge.target),
    },
  ]
}

function exact(ms, ns) {
  return new Date(ms).toISOString().replace('Z', `${String(ns).padStart(6, '0')}Z`)
}

export function stamp(startMs, offsetNs) {
  const whole = Math.floor(offsetNs / 1e6)
  return exact(startMs + whole, Math.round(offsetNs - whole * 1e6))
}

function failing(k) {
  return k % 23 === 0
}

function templateOf(k) {
  return TEMPLATES[k % TEMPLATES.length]
}

function stretch(k) {
  const noise = Math.abs(Math.sin(k * 12.9898)) // 0…1
  return 0.55 + noise * 0.8 + (k % 97 === 0 ? 6 : 0)
}

function detailsOf(flags, failed, at, index, start) {
  const out = {}
  if (failed) {
    out.status = { code: 'error', message: 'card network rate limit, retry after 200 ms' }
    out.events = [
      { time: at(start + 4e6), name: 'connection.reused', attributes: [] },
      {
        time: at(start + 232e6),
        name: 'exception',
        attributes: [
          attribute('exception.type', 'RateLimitError'),
          attribute('exception.message', '429'),
          attribute('exception.stacktrace', '    at charge (stripe.ts:88)\n    at retry (retry.ts:21)'),
        ],
      },
    ]
  }
  if (flags === 'link') out.links = [{ trace_id: null, span_id: null, back: index - 1 }]
  if (flags === 'skew') out.skew_adjustment_ns = -3_000_000
  return out
}

/** The spans of one trace, depth-first, as the API answers them. */
export function traceAnswer(k, traceId) {
  const template = templateOf(k)
  const scale = stretch(k)
  const startMs = k * EVERY_MS
  const at = (ns) => stamp(startMs, ns)
  const stack = []
  const spanId = (index) => (BigInt(k) * 4096n + BigInt(index) + 1n).toString(16).padStart(16, '0')
  const spans = template.map(([depth, service, name, kind, from, length, touched, flags], index) => {
    stack.length = depth
    const parent = stack.at(-1)
    stack.push(index)
    const failed = flags === 'error' && (failing(k) || k % 4 === 0)
    const start = Math.round(from * scale * 1e6)
    const map = onMap(service, parent === undefined ? '' : template[parent][1], kind, touched)
    return {
      trace_id: traceId,
      span_id: spanId(index),
      ...(parent === undefined ? {} : { parent_span_id: spanId(parent) }),
      name,
      kind,
      start: at(start),
      duration_ns: Math.round(length * scale * 1e6),
      status: { code: 'unset' },
      flags: 1,
      attributes: attributesOf(service, name, kind, touched, failed),
      resource: {
        attributes: [
          attribute('service.name', service),
          attribute('deployment.environment.name', 'prod'),
          attribute('coordimap.scope_id', 'shop-eu'),
          attribute('service.version', '2.2.4'),
          attribute('host.name', `${service}-7c9f`),
        ],
      },
      scope: { name: `@shop/${service}`, version: '1.4.0', attributes: [] },
      events: [],
      links: [],
      service,
      depth,
      skew_adjustment_ns: 0,
      ...(map ? { map } : {}),
      ...detailsOf(flags, failed, at, index, start),
    }
  })
  for (const span of spans)
    for (const link of span.links) Object.assign(link, { trace_id: traceId, span_id: spanId(link.back) })
  return answerOf(traceId, startMs, spans)
}

export function answerOf(traceId, startMs, spans) {
  const { length } = analyse(spans, startMs)
  const services = new Map()
  for (const span of spans) {
    const entry = services.get(span.service) ?? { name: span.service, spans: 0, errors: 0 }
    entry.spans++
    if (span.status.code === 'error') entry.errors++
    services.set(span.service, entry)
  }
  return {
    trace_id: traceId,
    start: stamp(startMs, 0),
    duration_ns: length,
    errors: spans.filter((span) => span.status.code === 'error').length,
    orphans: spans.filter((span) => span.orphan).length,
    services: [...services.values()],
    spans,
  }
}

/** A trace of many spans: a batch job that works through its items, some in parallel, some failing. */
export function bigTrace(count, startMs) {
  const spans = []
  const services = ['accounting', 'payment', 'cart', 'inventory', 'shipping', 'mail']
  const id = (index) => (index + 1).toString(16).padStart(16, '0')
  const push = (depth, parent, service, name, from, length, failed = false) => {
    const index = spans.length
    spans.push({
      trace_id: BIG_TRACE,
      span_id: id(index),
      ...(parent < 0 ? {} : { parent_span_id: id(parent) }),
      name,
      kind: depth === 0 ? 'internal' : depth % 2 ? 'client' : 'server',
      start: stamp(startMs, from),
      duration_ns: Math.round(length),
      status: failed ? { code: 'error', message: 'deadlock detected' } : { code: 'unset' },
      attributes: [attribute('batch.item', index)],
      resource: { attributes: [attribute('service.name', service)] },
      scope: { name: 'batch' },
      events: [],
      links: [],
      service,
      depth,
      skew_adjustment_ns: 0,
    })
    return index
  }
  const total = count * 0.5e6
  push(0, -1, 'accounting', 'nightly reconciliation', 0, total)
  for (let item = 0; spans.length < count; item++) {
    const from = 1e6 + item * 3.5e6
    const parent = push(1, 0, 'accounting', `reconcile batch ${item}`, from, 3.4e6 + (item % 9) * 1e6)
    for (let child = 0; child < 6 && spans.length < count; child++) {
      const service = services[(item + child) % services.length]
      const start = from + 0.1e6 + child * 0.5e6
      push(
        2 + (child % 3),
        parent + (child % 3 === 0 ? 0 : child % 3),
        service,
        child % 2 ? 'SELECT orders' : 'Settle',
        start,
        0.45e6,
        item % 40 === 7 && child === 3,
      )
    }
  }
  spans.length = count
  return answerOf(BIG_TRACE, startMs, spans)
}

export function summaryOf(k) {
  const traceId = traceIdAt(k * EVERY_MS)
  const { services, spans, ...rest } = traceAnswer(k, traceId)
  const root = spans[0]
  return {
    trace_id: traceId,
    root_service: root.service,
    root_name: root.name,
    start: rest.start,
    duration_ns: rest.duration_ns,
    spans: spans.length,
    errors: rest.errors,
    orphans: 0,
    services: services.map(({ name, spans: count }) => ({ name, spans: count })),
  }
}

// SPDX-License-Identifier: Apache-2.0
// Stands in for the server while the page is built and tested: node mock/server.mjs [PORT].
//
// The first part of the path chooses a state of the world, the rest is as in the real one:
//   /            the shop            /scale/   1,000 nodes, 4,000 edges (?scale=N on /api/v1/map works as well)
//   /empty/      no spans            /first/   no spans until POST /first/mock/span
//   /old/        spans, but none in the last day
//   /down/       the API does not answer until POST /down/mock/up
import { createServer } from 'node:http'
import { existsSync, readFileSync } from 'node:fs'
import { diffAnswer, edgeAnswer, history, mapAnswer, series, time, windowOf } from './map.mjs'
import { Alerts } from './alerts.mjs'
import { dayRun, dayTrace, longRun } from './days.mjs'
import { scaled } from './scale.mjs'
import {
  entityAnswer,
  flowAnswer,
  flowConformance,
  flowDiff,
  flowHistory,
  flowList,
  flowRun,
  flowRuns,
} from './flows.mjs'
import { BadQuery, parse, searchTraces } from './search.mjs'
import { outlineOf, wholeSpans } from './outline.mjs'
import { HOPS, MODEL, NODES } from './shop.mjs'
import { traceDiff } from './trace_diff.mjs'
import { BIG_TRACE, bigTrace, EVERY_MS, gridOf, traceAnswer, traceIdAt } from './traces.mjs'

const DIST = `${import.meta.dirname}/../dist`
const SHOP = { nodes: NODES, model: MODEL, hops: HOPS }
const WORLDS = ['scale', 'empty', 'first', 'old', 'down']
const TYPES = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript',
  css: 'text/css',
  svg: 'image/svg+xml',
}
const DAY = 86_400e3

class Refusal extends Error {
  constructor(status, code, message, hint = '') {
    super(message)
    Object.assign(this, { status, code, hint })
  }
}

const models = new Map()
function modelOf(world, params) {
  const count = Number(params.get('scale') ?? (world === 'scale' ? 1000 : 0))
  if (count === 0) return SHOP
  if (!models.has(count)) models.set(count, scaled(count, count * 4))
  return models.get(count)
}

export function startMock(port = 0) {
  const state = {
    since: Date.now(),
    span: null,
    down: true,
    mappings: { version: 1, items: [] },
    definitions: { version: 1, items: [] },
    positions: new Map(),
    alerts: new Alerts(),
  }
  const spansOf = (world) => world !== 'empty' && !(world === 'first' && state.span === null)

  function clockOf(world) {
    return world === 'old' ? Date.now() - DAY : Date.now()
  }

  function status(world) {
    const there = spansOf(world)
    const now = Date.now()
    return {
      version: '0.1.0',
      uptime_ns: (now - state.since + 42_000) * 1e6,
      now: time(now),
      spans: {
        stored: there ? 1_843_220 : 0,
        oldest: there ? time(now - DAY) : null,
        newest: there ? time(clockOf(world)) : null,
        received: there ? 1_843_261 : 0,
        rejected: 0,
        rate_per_s: there ? 212.4 : 0,
      },
      bytes: {
        stored: there ? 74_112_000 : 0,
        blocks: there ? 68_000_000 : 0,
        tables: 1_450_000,
        log: 4_300_000,
        head: 362_000,
      },
      map: {
        nodes: there ? 21 : 0,
        edges: there ? 25 : 0,
        open_traces: there ? 31 : 0,
        complete_to: time(now - 5000),
      },
      drops: [{ reason: 'duplicate', count: there ? 41 : 0 }],
      queues: [{ name: 'assembly', depth: 3, max: 65536 }],
      disk: { free_bytes: 182e9, total_bytes: 500e9 },
      endpoints: { otlp_grpc: 4317, otlp_http: 4318, zipkin: 9411 },
      memory_bytes: 84_213_760,
      last_service: there ? (state.span ?? { name: 'checkout', span: 'PlaceOrder', time: time(now) }) : null,
      requests: { metrics: 0, logs: 0 },
    }
  }

  function traces(world, params) {
    const now = clockOf(world)
    const to = params.get('to') === null ? now : Math.min(now, windowOf(params, Date.now()).to)
    const from = params.get('from') === null ? now - DAY : windowOf(params, Date.now()).from
    let conditions
    try {
      conditions = parse(params.get('q') ?? '')
    } catch (error) {
      if (!(error instanceof BadQuery)) throw error
      throw new Refusal(
        400,
        'bad_query',
        `q, ${error.message}`,
        'A span filter looks like { duration > 1s }.',
      )
    }
    return searchTraces({ from, to }, conditions, Number(params.get('limit') ?? 20), params.get('cursor'))
  }

  function trace(id) {
    if (id === BIG_TRACE) return bigTrace(20_000, Math.floor(Date.now() / 3600e3) * 3600e3)
    const over = dayTrace(id, Date.now())
    if (over) return over
    const k = gridOf(id)
    if (k === null || k * EVERY_MS > Date.now())
      throw new Refusal(404, 'trace_not_found', 'No span of this trace is stored.')
    return traceAnswer(k, id)
  }

  function element(kind, id, model, params, now) {
    const window = windowOf(params, Date.now())
    const step = Number((params.get('step') ?? '60s').replace('s', '')) * 1000
    if (kind === 'edges') {
      const edge = model.model.find((candidate) => candidate.id === id)
      if (!edge) throw new Refusal(404, 'not_found', 'No such edge.')
      return { edge: edgeAnswer(edge, window, now), series: series(edge, window, step, now) }
    }
    const node = mapAnswer(model, window, now).nodes.find((candidate) => candidate.id === id)
    if (!node) throw new Refusal(404, 'not_found', 'No such node.')
    const into =
      model.model.find((edge) => edge.target === id) ?? model.model.find((edge) => edge.source === id)
    return { node, series: into ? series(into, window, step, now) : [] }
  }

  /** What people defined finds the runs of the one flow that the mock knows. */
  function flowOf(name, now) {
    if (!state.definitions.items.some((item) => item.name === name)) return flowAnswer(name, now)
    return { ...flowAnswer(flowList(now)[0].name, now), name, defined: true }
  }

  function saveDefinitions(path, body) {
    for (const { name, steps } of body.items)
      if (!steps.every(({ filter }) => /^\{.*\}$/.test(filter)))
        throw new Refusal(400, 'bad_body', `flow 1, "${name}": step 1, at character 3: a value is missing`)
    if (path === 'flow-definitions/preview')
      return {
        items: body.items.map(({ name }) => ({
          ...flowAnswer(flowList(0)[0].name, Date.now()),
          name,
          defined: true,
        })),
        cursor: null,
      }
    if (body.version !== state.definitions.version)
      throw new Refusal(409, 'conflict', 'somebody saved since this version was read')
    state.definitions = {
      version: body.version + 1,
      items: body.items.map((item) => ({ ...item, source: 'saved' })),
    }
    return { ...state.definitions, cursor: null }
  }

  function flows([, name, runs, id], params, now) {
    const mine = state.definitions.items.map((item) => ({
      ...flowList(now)[0],
      name: item.name,
      defined: true,
    }))
    const wanted = params.get('defined')
    if (name === undefined)
      return {
        items: [...(wanted === 'true' ? [] : flowList(now)), ...(wanted === 'false' ? [] : mine)],
        cursor: null,
      }
    if (runs === 'conformance') return flowConformance(params)
    if (runs === 'diff') return flowDiff(params)
    if (runs === 'history') return flowHistory(name, now)
    if (id === 'days') return dayRun(name, now)
    if (id === 'long') return longRun(name, now)
    const found = id !== undefined ? flowRun(id) : runs ? flowRuns(params, now) : flowOf(name, now)
    if (!found) throw new Refusal(404, 'not_found', 'No such flow.')
    return found
  }

  /** Runs of that id, of whatever flow. */
  function runsOf(id, params, now) {
    const { items } = flowRuns(params, now)
    const found = items.filter((run) => run.run_id === id)
    return {
      items: found.map((run) => ({ ...run, flow: 'checkout.place_order' })),
      truncated: false,
      cursor: null,
    }
  }

  function diff(model, params, now) {
    const window = (name) =>
      windowOf(
        new URLSearchParams({ from: params.get(`${name}_from`), to: params.get(`${name}_to`) }),
        Date.now(),
      )
    return diffAnswer(model, window('a'), window('b'), now)
  }

  /** Nodes that somebody moved, with what is inside of them. */
  function placed(map) {
    for (const node of map.nodes) {
      const at = state.positions.get(node.id)
      if (!at) continue
      const [dx, dy] = [at.x - node.layout.x, at.y - node.layout.y]
      for (const moved of [node, ...map.nodes.filter((other) => other.parent === node.id)])
        moved.layout = { ...moved.layout, x: moved.layout.x + dx, y: moved.layout.y + dy }
    }
    return map
  }

  function contract(now) {
    const item = (code, type, subject, count, spans, change) => ({
      code,
      subject,
      node: NODES.find((node) => node.type === type && node.name === subject)?.id,
      type,
      scope: 'shop-eu',
      environment: 'prod',
      count,
      ...(spans > 0 ? { spans } : {}),
      example_trace: traceIdAt(Math.floor(now / EVERY_MS) * EVERY_MS),
      what_to_change: change,
    })
    return [
      item(
        'broken_queue_context',
        'queue',
        'emails',
        356,
        0,
        'Consumers of this queue link to no producer: inject the context into the message when publishing, extract it and add a span link when consuming.',
      ),
      item(
        'clock_skew',
        'service',
        'shipping',
        41,
        2900,
        'The clock of this host is 120 ms ahead: synchronise it.',
      ),
      item(
        'unresolved_peer',
        'service',
        'search',
        12,
        480,
        'Outgoing calls do not say whom they call: set server.address (or service.peer.name) on client spans.',
      ),
      item(
        'unresolved_peer',
        'service',
        'web',
        3,
        1200,
        'Outgoing calls do not say whom they call: set server.address (or service.peer.name) on client spans.',
      ),
    ]
  }

  /** What is saved, or asked with a body. */
  function save(path, body) {
    if (path === 'positions') {
      for (const { node, x, y } of body.items) {
        if (x === null) state.positions.delete(node)
        else state.positions.set(node, { x, y })
      }
      return api('', path, new URLSearchParams())
    }
    if (path.startsWith('flow-definitions')) return saveDefinitions(path, body)
    if (path.startsWith('alerts')) {
      const refused = (code, text, hint) =>
        new Refusal(code, code === 409 ? 'conflict' : 'bad_body', text, hint)
      return state.alerts.save(path, body, refused)
    }
    for (const [index, { pattern }] of body.items.entries()) {
      try {
        new RegExp(pattern)
      } catch (error) {
        throw new Refusal(
          400,
          'bad_body',
          `mapping ${index + 1}, "${pattern}": ${error.message}`,
          'A regular expression.',
        )
      }
    }
    if (path === 'mappings/preview') {
      const stripe = NODES.find((node) => node.name === 'stripe')
      const found = body.items.some(({ pattern }) => new RegExp(`^(?:${pattern})$`).test('api.stripe.com'))
      return {
        added: { nodes: found ? [{ ...stripe, type: 'service', name: body.items[0].name }] : [], edges: [] },
        removed: { nodes: found ? [stripe] : [], edges: [] },
        changed: [],
        mappings: body.items.map((item) => {
          const names = new RegExp(`^(?:${item.pattern})$`).test('api.stripe.com') ? ['api.stripe.com'] : []
          return { ...item, names, names_total: names.length, calls: names.length * 2731 }
        }),
      }
    }
    if (body.version !== state.mappings.version)
      throw new Refusal(409, 'conflict', 'somebody saved since this version was read')
    state.mappings = {
      version: body.version + 1,
      items: body.items.map((item) => ({ ...item, source: 'saved' })),
    }
    return { ...state.mappings, cursor: null }
  }

  function services(model, params, now) {
    const map = mapAnswer(model, windowOf(params, Date.now()), now)
    const items = map.nodes
      .filter((node) => node.type === 'service')
      .map((node) => ({
        name: node.name,
        scope: node.scope,
        environment: node.environment,
        spans: (node.requests ?? 0) * 3,
        requests: node.requests ?? 0,
        errors: node.errors ?? 0,
        duration: node.duration,
      }))
    return { items, cursor: null }
  }

  function busiest(model, params) {
    const limit = Number(params.get('limit') ?? 10)
    const items = params.getAll('service').flatMap((name) => {
      const node = model.nodes.find((candidate) => candidate.type === 'service' && candidate.name === name)
      const own = operations(name)
        .items.filter((item) => item.requests > 0)
        .sort((a, b) => b.requests - a.requests)
      if (!node || own.length === 0) return []
      const { namespace = '', environment = '', scope = 'default' } = node
      return [{ name, namespace, environment, scope, operations: own.length, busiest: own.slice(0, limit) }]
    })
    return { items, cursor: null }
  }

  function operations(name) {
    const seen = new Map()
    for (let k = 0; k < 4; k++) {
      for (const span of traceAnswer(k + 1000, 'x').spans) {
        if (span.service !== name) continue
        const entry = seen.get(span.name) ?? {
          name: span.name,
          kind: span.kind,
          spans: 0,
          requests: 0,
          errors: 0,
        }
        entry.spans += 812
        if (span.kind === 'server') entry.requests += 812
        entry.duration = {
          p50_ns: span.duration_ns / 2,
          p90_ns: span.duration_ns,
          p99_ns: span.duration_ns * 2,
        }
        seen.set(span.name, entry)
      }
    }
    return { items: [...seen.values()], cursor: null }
  }

  function values(key) {
    const seen = new Map()
    for (let k = 0; k < 4; k++) {
      for (const span of traceAnswer(k + 1000, 'x').spans) {
        const [level, ...rest] = key.split('.')
        const list = level === 'resource' ? span.resource.attributes : span.attributes
        const found =
          key === 'name'
            ? { stringValue: span.name }
            : list.find((pair) => pair.key === rest.join('.'))?.value
        const value = found?.stringValue ?? found?.intValue
        if (value !== undefined) seen.set(value, (seen.get(value) ?? 0) + 1)
      }
    }
    return { items: [...seen].map(([value, count]) => ({ value, count: count * 410 })), cursor: null }
  }

  function attributes() {
    const seen = new Map()
    for (const span of traceAnswer(1000, 'x').spans) {
      for (const [level, list] of [
        ['span', span.attributes],
        ['resource', span.resource.attributes],
      ]) {
        for (const { key } of list)
          seen.set(`${level}.${key}`, {
            key: `${level}.${key}`,
            level,
            count: (seen.get(`${level}.${key}`)?.count ?? 0) + 1200,
          })
      }
    }
    return { items: [...seen.values()].sort((a, b) => b.count - a.count), cursor: null }
  }

  function api(world, path, params) {
    const now = clockOf(world)
    const model = modelOf(world, params)
    const window = windowOf(params, Date.now())
    const none = !spansOf(world)
    const parts = path.split('/').map(decodeURIComponent)
    if (path === 'status') return status(world)
    if (parts[0] === 'runs') return runsOf(parts[1], params, now)
    if (path === 'map')
      return none
        ? mapAnswer({ nodes: [], model: [], hops: [] }, window, now)
        : placed(mapAnswer(model, window, now))
    if (path === 'contract') return { items: none ? [] : contract(now), cursor: null }
    if (path === 'mappings') return { ...state.mappings, cursor: null }
    if (path.startsWith('alerts')) return state.alerts.read(path)
    if (path === 'flow-definitions') return { ...state.definitions, cursor: null }
    if (path === 'positions')
      return { items: [...state.positions].map(([node, at]) => ({ node, ...at })), cursor: null }
    if (path === 'map/diff') return diff(model, params, now)
    if (path === 'map/history') return none ? { items: [], cursor: null } : history(params, now, 1240)
    if (path === 'services') return none ? { items: [], cursor: null } : services(model, params, now)
    if (path === 'traces') return none ? { items: [], cursor: null } : traces(world, params)
    if (path === 'attributes') return attributes()
    if (parts[0] === 'flows') return none ? { items: [], cursor: null } : flows(parts, params, now)
    if (parts[0] === 'entities') return entityAnswer(parts[1], parts[2], now)
    if (parts[0] === 'traces' && parts.length === 2) return trace(parts[1])
    if (parts[0] === 'traces' && parts[2] === 'diff') return traceDiff(trace(parts[1]), trace(parts[3]))
    if (parts[0] === 'traces' && parts[2] === 'outline') return outlineOf(trace(parts[1]))
    if (parts[0] === 'traces' && parts[2] === 'spans')
      return wholeSpans(trace(parts[1]), params.get('span_id') ?? '')
    if (parts[0] === 'edges' || parts[0] === 'nodes') return element(parts[0], parts[1], model, params, now)
    if (parts[0] === 'services' && parts[2] === 'operations') return operations(parts[1])
    if (path === 'operations') return busiest(model, params)
    if (parts[0] === 'attributes' && parts[2] === 'values') return values(parts[1])
    throw new Refusal(404, 'not_found', `There is no ${path}.`)
  }

  function answer(response, code, body) {
    const text = JSON.stringify(body)
    response.writeHead(code, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    response.end(text)
  }

  /** The whole map, then every second the nodes that came and the edges whose numbers have changed. */
  function live(world, params, request, response) {
    const ask = () =>
      api(
        world,
        'map',
        new URLSearchParams({ ...Object.fromEntries(params), from: `-${params.get('window')}`, to: 'now' }),
      )
    const nothing = { nodes: [], edges: [], hops: [] }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    let last = ask()
    const tell = (map, parts, snapshot) => {
      const { from, to, complete_to } = map
      const update = { snapshot, from, to, complete_to, ...parts, removed: nothing }
      response.write(`event: map\ndata: ${JSON.stringify(update)}\n\n`)
    }
    tell(last, { nodes: last.nodes, edges: last.edges, hops: last.hops }, true)
    const timer = setInterval(() => {
      const now = ask()
      const before = new Map(last.edges.map((edge) => [edge.id, edge.count]))
      const known = new Set(last.nodes.map((node) => node.id))
      const nodes = now.nodes.filter((node) => !known.has(node.id))
      tell(
        now,
        { ...nothing, nodes, edges: now.edges.filter((edge) => before.get(edge.id) !== edge.count) },
        false,
      )
      last = now
    }, 1000)
    request.on('close', () => clearInterval(timer))
  }

  function reply(response, make) {
    try {
      answer(response, 200, make())
    } catch (error) {
      const code = error instanceof Refusal ? error.status : 500
      answer(response, code, {
        error: { code: error.code ?? 'internal', message: error.message, hint: error.hint ?? '' },
      })
    }
  }

  function control(world, path, response) {
    if (path === 'mock/span')
      state.span = { name: 'payment', span: 'POST /v1/charges', time: time(Date.now()) }
    if (path === 'mock/clear') {
      state.span = null
      state.positions.clear()
      state.mappings = { version: 1, items: [] }
      state.definitions = { version: 1, items: [] }
      state.alerts = new Alerts()
    }
    if (path === 'mock/down') state.down = true
    if (path === 'mock/up') state.down = false
    answer(response, 200, {})
  }

  function file(path, response) {
    const name = path === '' ? 'index.html' : path
    const at = `${DIST}/${name}`
    if (name.includes('..') || !existsSync(at)) {
      response.writeHead(404, { 'content-type': 'text/plain' })
      response.end('There is no such file.\n')
      return
    }
    response.writeHead(200, { 'content-type': TYPES[name.split('.').pop()] ?? 'application/octet-stream' })
    response.end(readFileSync(at))
  }

  const server = createServer((request, response) => {
    const url = new URL(request.url.replace(/^\/+/, '/'), 'http://localhost')
    const parts = url.pathname.split('/').slice(1)
    const world = WORLDS.includes(parts[0]) ? parts.shift() : ''
    const path = parts.join('/')
    if (path.startsWith('api/v1/') && request.method !== 'GET') {
      let text = ''
      request.on('data', (chunk) => (text += chunk))
      request.on('end', () => {
        reply(response, () => save(path.slice('api/v1/'.length), text === '' ? null : JSON.parse(text)))
      })
      return
    }
    if (request.method === 'POST') {
      control(world, path, response)
      return
    }
    if (!path.startsWith('api/v1/')) {
      file(path, response)
      return
    }
    if (world === 'down' && state.down) {
      request.socket.destroy()
      return
    }
    if (path === 'api/v1/map/live') {
      live(world, url.searchParams, request, response)
      return
    }
    reply(response, () => api(world, path.slice('api/v1/'.length), url.searchParams))
  })
  return new Promise((resolve) => {
    server.listen(port, '127.0.0.1', () => {
      resolve({ server, port: server.address().port, close: () => server.close() })
    })
  })
}

if (process.argv[1] === import.meta.filename) {
  const { port } = await startMock(Number(process.argv[2] ?? 16700))
  console.log(`http://localhost:${port}/  ${WORLDS.map((world) => `/${world}/`).join('  ')}`)
}

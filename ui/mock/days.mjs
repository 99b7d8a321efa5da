// SPDX-License-Identifier: Apache-2.0
// Runs over several traces: one over two days and a queue, of which a trace has gone, and one of sixty traces.
import { NODES } from './shop.mjs'
import { answerOf, EVERY_MS, stamp, traceAnswer, traceIdAt } from './traces.mjs'
import { time } from './map.mjs'

const HOUR = 3600e3
const DAYS = [...'0123'].map((last) => `da15${'0'.repeat(27)}${last}`)
const idOf = (trace, index) => `da15${String(trace).padStart(4, '0')}${String(index).padStart(8, '0')}`

// trace, depth, service, name, kind, start and duration in ms, step, the span (trace, index) that it links to
const SPANS = [
  [0, 0, 'web', 'POST /loans', 'server', 0, 420],
  [0, 1, 'checkout', 'apply', 'internal', 20, 380, 'apply'],
  [0, 2, 'checkout', 'INSERT orders', 'client', 40, 90],
  [0, 2, 'checkout', 'publish orders', 'producer', 360, 12],
  [1, 0, 'fraud', 'process orders', 'consumer', 7 * HOUR, 900, 'review', [0, 3]],
  [1, 1, 'fraud', 'model.score', 'internal', 7 * HOUR + 50, 700],
  [1, 1, 'fraud', 'publish emails', 'producer', 7 * HOUR + 800, 20],
  [3, 0, 'payment', 'process emails', 'consumer', 49 * HOUR, 640, 'pay_out', [1, 6]],
  [3, 1, 'payment', 'INSERT payments', 'client', 49 * HOUR + 30, 70],
]
const GONE = [2, 'mail', 'remind', 26 * HOUR, 300]

function begin(now) {
  return Math.floor(now / HOUR) * HOUR - 50 * HOUR
}

function nodeOf(service) {
  return { id: NODES.find((node) => node.name === service).id, name: service }
}

/** One of the traces of the run over days; null: none of them. */
export function dayTrace(id, now) {
  const trace = DAYS.indexOf(id)
  const own = SPANS.map((span, index) => ({ span, index })).filter(({ span }) => span[0] === trace)
  if (own.length === 0) return null
  const start = begin(now)
  const parents = []
  const spans = own.map(({ span: [, depth, service, name, kind, from, length, , link], index }) => {
    parents[depth] = idOf(trace, index)
    return {
      trace_id: id,
      span_id: idOf(trace, index),
      ...(depth === 0 ? {} : { parent_span_id: parents[depth - 1] }),
      name,
      kind,
      start: stamp(start, from * 1e6),
      duration_ns: length * 1e6,
      status: { code: 'unset' },
      attributes: [],
      resource: { attributes: [{ key: 'service.name', value: { stringValue: service } }] },
      events: [],
      links: link ? [{ trace_id: DAYS[link[0]], span_id: idOf(...link) }] : [],
      service,
      depth,
      skew_adjustment_ns: 0,
    }
  })
  return answerOf(id, start, spans)
}

function runWith(run_id, flow, steps, traces) {
  const ends = steps.map((step) => Date.parse(step.start) + step.duration_ns / 1e6)
  const [first, last] = [Date.parse(steps[0].start), Math.max(...ends)]
  return {
    run_id,
    flow,
    scope: 'shop-eu',
    environment: 'prod',
    status: 'ok',
    has_run_id: true,
    start: time(first),
    end: time(last),
    duration_ns: Math.round((last - first) * 1e6),
    steps,
    envelopes: [],
    traces,
    also_in: [],
  }
}

export function dayRun(flow, now) {
  const start = begin(now)
  const steps = SPANS.flatMap(([trace, , service, , , from, length, step], index) =>
    step === undefined
      ? []
      : [
          {
            step,
            service: nodeOf(service),
            trace_id: DAYS[trace],
            span_id: idOf(trace, index),
            start: stamp(start, from * 1e6),
            duration_ns: length * 1e6,
            status: 'ok',
            critical: true,
            slack_ns: 0,
          },
        ],
  )
  const [trace, service, step, from, length] = GONE
  steps.splice(2, 0, {
    step,
    service: nodeOf(service),
    trace_id: DAYS[trace],
    span_id: idOf(trace, 99),
    start: stamp(start, from * 1e6),
    duration_ns: length * 1e6,
    status: 'ok',
    critical: false,
    slack_ns: 23 * HOUR * 1e6,
  })
  return runWith('days', flow, steps, DAYS)
}

/** A step in each of sixty traces. */
export function longRun(flow, now) {
  const last = Math.floor(now / EVERY_MS) - 20
  const traces = Array.from({ length: 60 }, (_, at) => (last - 60 + at) * EVERY_MS)
  const steps = traces.map((at) => {
    const [, span] = traceAnswer(at / EVERY_MS, traceIdAt(at)).spans
    const { trace_id, span_id, start, duration_ns } = span
    return { step: 'item', service: nodeOf('gateway'), trace_id, span_id, start, duration_ns, status: 'ok' }
  })
  return runWith('long', flow, steps, traces.map(traceIdAt))
}

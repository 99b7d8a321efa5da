// SPDX-License-Identifier: Apache-2.0
// The flow "place order" of the shop with its variants, and runs made from them.
import { time } from './map.mjs'
import { NODES } from './shop.mjs'
import { EVERY_MS, traceIdAt } from './traces.mjs'

const NAME = 'checkout.place_order'
const SERVICES = {
  validate_cart: ['cart', 42],
  reserve_stock: ['inventory', 103],
  charge: ['payment', 320],
  create_order: ['checkout', 44],
  ship_order: ['shipping', 122],
  screen_fraud: ['fraud', 64],
  send_receipt: ['mail', 52],
  release_stock: ['inventory', 38],
}
const HAPPY = [
  'validate_cart',
  'reserve_stock',
  'charge',
  'create_order',
  'ship_order',
  'screen_fraud',
  'send_receipt',
]
const again = (times) => [...HAPPY.slice(0, 3), ...Array(times).fill('charge'), ...HAPPY.slice(3)]
const VARIANTS = [
  ['happy', HAPPY, 2411, 0, 1100],
  ['swapped', [...HAPPY.slice(0, 4), 'screen_fraud', 'ship_order', 'send_receipt'], 604, 0, 1100],
  ['retry', again(1), 167, 0, 3900],
  ['declined', [...HAPPY.slice(0, 3), 'charge', 'charge', 'release_stock'], 36, 1, 7600],
  ['stock', HAPPY.slice(0, 2), 30, 1, 200],
  ['retries', again(2), 27, 0, 8200],
  ['receipt', HAPPY.slice(0, 6), 16, 0, 1000],
]
const TOTAL = VARIANTS.reduce((sum, variant) => sum + variant[2], 0)
const quantiles = (ms) => ({ p50_ns: ms * 1e6, p90_ns: ms * 2e6, p99_ns: ms * 7.6e6 })

function count(into, key, by) {
  into[key] = (into[key] ?? 0) + by
}

export function flowList(now) {
  const failures = VARIANTS.reduce((sum, [, , runs, failed]) => sum + failed * runs, 0)
  const item = (name, runs, failed, ms, steps, variants) => ({
    name,
    scope: 'shop-eu',
    environment: 'prod',
    runs,
    failures: failed,
    without_run_id: 0,
    duration: quantiles(ms),
    steps,
    variants,
    first_seen: time(now - 864e5),
    last_seen: time(now - 4000),
  })
  return [
    item(NAME, TOTAL, failures, 1240, 8, VARIANTS.length),
    item('account.sign_up', 48, 1, 5300, 4, 3),
    item('nightly.reconciliation', 1, 0, 420_000, 6, 1),
  ]
}

/** A transition came after a deploy. */
export function flowHistory(name, now) {
  if (name !== NAME) return null
  const [from, none] = [now - 900e3, { steps: [], follows: [] }]
  const came = { steps: [], follows: [{ from: 'reserve_stock', to: 'charge' }] }
  return {
    name,
    from: time(from),
    to: time(now),
    step_ns: 60e9,
    points: Array.from({ length: 15 }, (_, at) => ({
      time: time(from + at * 60e3),
      runs: 80 + ((at * 37) % 41),
      failures: at % 3,
    })),
    steps: [],
    follows: [],
    variants: [],
    left_out: 0,
    versions: [
      {
        version: 1,
        time: time(from),
        shape: '00',
        steps: 6,
        follows: 5,
        came: none,
        went: none,
        deploys: [],
      },
      {
        version: 2,
        time: time(from + 9 * 60e3),
        shape: '01',
        steps: 6,
        follows: 6,
        came,
        went: none,
        deploys: [],
      },
    ],
    deploys: [
      { time: time(from + 8 * 60e3), service: 'service/default//payment', name: 'payment', version: '2.1' },
    ],
  }
}

export function flowAnswer(name, now) {
  if (name !== NAME) return null
  const [steps, ends, bad, follows, starts] = [{}, {}, {}, {}, {}]
  for (const [, sequence, runs, failed] of VARIANTS) {
    count(starts, sequence[0], runs)
    count(ends, sequence.at(-1), runs)
    if (failed) count(bad, sequence.at(-1), runs)
    for (const [index, step] of sequence.entries()) {
      count(steps, step, runs)
      if (index > 0) count(follows, `${sequence[index - 1]} ${step}`, runs)
    }
  }
  const seen = { first_seen: time(now - 864e5), last_seen: time(now - 4000) }
  const variants = VARIANTS.map(([id, sequence, runs, failed, ms]) => ({
    id,
    sequence,
    cut: false,
    runs,
    share: runs / TOTAL,
    failures: failed * runs,
    duration: quantiles(ms),
    ...seen,
  }))
  return {
    name,
    from: time(now - 900e3),
    to: time(now),
    runs: TOTAL,
    failures: Object.values(bad).reduce((sum, runs) => sum + runs, 0),
    without_run_id: 0,
    duration: quantiles(1240),
    steps: Object.entries(steps).map(([step, runs]) => ({
      name: step,
      count: runs,
      errors: step === 'charge' ? 230 : 0,
      runs,
      share: runs / TOTAL,
      rework: 0,
      starts: starts[step] ?? 0,
      ends: ends[step] ?? 0,
      failed_ends: bad[step] ?? 0,
      duration: quantiles(SERVICES[step][1]),
      ...seen,
    })),
    follows: Object.entries(follows).map(([pair, runs]) => {
      const [from, to] = pair.split(' ')
      const wait = quantiles(from === to ? 2100 : 4)
      return {
        from,
        to,
        count: runs,
        runs,
        share: runs / TOTAL,
        overlaps: 0,
        parallel: pair === 'screen_fraud ship_order',
        wait,
        ...seen,
      }
    }),
    starts,
    ends,
    variants,
    other_variants: 0,
    other_runs: 0,
    touches: [
      ['charge', 'writes', 'table', 'payments', 2617],
      ['charge', 'calls', 'external', 'stripe', 2617],
      ['reserve_stock', 'writes', 'table', 'stock', 2687],
      ['create_order', 'writes', 'table', 'orders', 2621],
    ].map(([step, relation, type, target, touched]) => ({
      step,
      relation,
      node: NODES.find((node) => node.type === type && node.name === target).id,
      type,
      name: target,
      count: touched,
    })),
    happy_path: variants[0],
  }
}

/** The k-th newest run: most are happy, every tenth is retried, every thirtieth declined. */
function variantOf(k) {
  if (k % 30 === 7) return VARIANTS[3]
  return k % 10 === 3 ? VARIANTS[2] : VARIANTS[k % 5 === 1 ? 1 : 0]
}

function runOf(k, id) {
  const begin = k * EVERY_MS
  const [variant, sequence, , failed] = variantOf(k)
  let at = 0
  const steps = sequence.map((step, index) => {
    const wait = sequence[index - 1] === step ? 2100 : 4
    const length = SERVICES[step][1]
    at += wait
    const span = {
      service: { id: NODES.find((node) => node.name === SERVICES[step][0]).id, name: SERVICES[step][0] },
      trace_id: traceIdAt(begin),
      span_id: '0000000000000000',
      start: time(begin + at),
      duration_ns: length * 1e6,
      status: step === 'charge' && sequence[index + 1] === 'charge' ? 'failed' : 'ok',
      step,
      wait_ns: wait * 1e6,
    }
    at += length
    return span
  })
  return {
    run_id: id,
    flow: NAME,
    scope: 'shop-eu',
    environment: 'prod',
    status: failed ? 'failed' : 'ok',
    has_run_id: true,
    start: time(begin),
    end: time(begin + at),
    duration_ns: at * 1e6,
    variant,
    sequence,
    steps,
    envelopes: [],
    traces: [traceIdAt(begin)],
    also_in: [],
  }
}

export function flowRuns(params, now) {
  const limit = Number(params.get('limit') ?? 50)
  const items = []
  let k = Number(params.get('cursor') ?? Math.floor(now / EVERY_MS) - 2)
  for (; items.length < limit; k--) {
    const run = runOf(k, `ord-${k}`)
    if (params.get('status') !== null && run.status !== params.get('status')) continue
    if (params.get('variant') !== null && run.variant !== params.get('variant')) continue
    items.push({ ...run, steps: run.steps.length })
  }
  return { items, cursor: String(k) }
}

export function flowRun(id) {
  const k = Number(id.replace('ord-', ''))
  return Number.isInteger(k) ? runOf(k, id) : null
}

/** Two orders a quarter of an hour apart: every fourth trace is one. */
export function entityAnswer(type, id, now) {
  const last = Math.floor(now / EVERY_MS / 4) * 4 - 12
  const found = [last - 400, last].map((k) => {
    const start = time(k * EVERY_MS)
    const run = { flow: NAME, scope: 'shop-eu', environment: 'prod', run_id: `ord-${k}`, start }
    return { trace: { trace_id: traceIdAt(k * EVERY_MS), start, runs: [run] }, run }
  })
  return {
    type,
    id,
    traces: found.map(({ trace }) => trace),
    runs: found.map(({ run }) => run),
    truncated: false,
  }
}

/** Against the variant asked for, else the happy one: what is missing and what comes again. */
export function flowConformance(params) {
  const [, expected] = VARIANTS.find(([id]) => id === params.get('variant')) ?? VARIANTS[0]
  const found = new Map()
  const tell = (kind, step, runs) => {
    const known = found.get(`${kind} ${step}`) ?? { kind, step, runs: 0, variants: 0 }
    found.set(`${kind} ${step}`, { ...known, runs: known.runs + runs, variants: known.variants + 1 })
  }
  let conforming = 0
  for (const [, sequence, runs] of VARIANTS) {
    // The two that run in parallel may change places.
    if ([...sequence].sort().join() === [...expected].sort().join()) conforming += runs
    for (const step of new Set([...expected, ...sequence])) {
      const more =
        sequence.filter((one) => one === step).length - expected.filter((one) => one === step).length
      if (more !== 0) tell(more < 0 ? 'skipped' : 'repeated', step, runs)
    }
  }
  return {
    name: NAME,
    expected,
    parallel: [['screen_fraud', 'ship_order']],
    variants: [],
    conforming,
    deviating: TOTAL - conforming,
    unchecked: 0,
    share: conforming / TOTAL,
    deviations: [...found.values()].sort((a, b) => b.runs - a.runs),
  }
}

/** Charging failed more and a variant came. */
export function flowDiff(params) {
  const window = (name) => ({
    from: params.get(`${name}_from`),
    to: params.get(`${name}_to`),
    runs: TOTAL,
    failures: name === 'a' ? 12 : 66,
  })
  const changed = [{ name: 'charge', what: 'errors', a: 0.006, b: 0.071, significance: 14.2 }]
  const [id, sequence, runs] = VARIANTS[3]
  return {
    name: NAME,
    a: window('a'),
    b: window('b'),
    steps: { added: [], removed: [], changed },
    follows: { added: [], removed: [], changed: [] },
    variants: { added: [{ id, sequence, runs }], removed: [], changed: [] },
  }
}

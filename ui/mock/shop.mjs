// SPDX-License-Identifier: Apache-2.0
// A shop of twelve services: its nodes where the server's layout would put them, its edges with their rates.
import { createHash } from 'node:crypto'

export const SCOPE = 'shop-eu'
export const ENVIRONMENT = 'prod'

export function idOf(text) {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

// name, layer, x, y, width
const SERVICES = [
  ['web', 0, 0, 168, 88],
  ['gateway', 1, 128, 168, 104],
  ['search', 2, 308, 0, 132],
  ['recommendation', 2, 308, 84, 132],
  ['checkout', 2, 308, 276, 132],
  ['cart', 3, 576, 84, 124],
  ['inventory', 3, 576, 192, 124],
  ['payment', 3, 576, 276, 124],
  ['shipping', 3, 576, 360, 124],
  ['fraud', 4, 828, 400, 164],
  ['accounting', 4, 828, 480, 164],
  ['mail', 4, 828, 564, 164],
]

function service([name, layer, x, y, width]) {
  return { id: idOf(`service ${name}`), type: 'service', name, layout: { x, y, width, height: 44, layer } }
}

const redis = {
  id: idOf('database redis'),
  type: 'database',
  name: 'redis',
  system: 'redis',
  address: 'redis:6379',
  layout: { x: 828, y: -4, width: 164, height: 60, layer: 4 },
}
const shop = {
  id: idOf('database shop'),
  type: 'database',
  name: 'shop',
  system: 'postgresql',
  namespace: 'shop',
  address: 'pg:5432',
  layout: { x: 828, y: 80, width: 164, height: 164, layer: 4 },
}
const TABLES = ['carts', 'orders', 'stock', 'payments']

function table(name, index) {
  const layout = { x: 828, y: 122 + index * 28, width: 164, height: 28, layer: 4 }
  return {
    id: idOf(`table ${name}`),
    type: 'table',
    name,
    collection: name,
    system: 'postgresql',
    parent: shop.id,
    layout,
  }
}

function queue(name, y) {
  const layout = { x: 576, y, width: 124, height: 62, layer: 3 }
  return { id: idOf(`queue ${name}`), type: 'queue', name, system: 'kafka', layout }
}

const stripe = {
  id: idOf('external stripe'),
  type: 'external',
  name: 'stripe',
  address: 'api.stripe.com',
  layout: { x: 828, y: 276, width: 164, height: 44, layer: 4 },
}

export const NODES = [
  ...SERVICES.map(service),
  redis,
  shop,
  ...TABLES.map(table),
  queue('orders', 440),
  queue('emails', 555),
  stripe,
].map((node) => ({
  ...node,
  scope: SCOPE,
  environment: ENVIRONMENT,
  labels: node.type === 'service' ? { 'service.version': '2.2.4', 'telemetry.sdk.language': 'nodejs' } : {},
  first_seen: '2025-11-03T09:14:00.000000000Z',
}))

const byName = new Map(NODES.map((node) => [`${node.type} ${node.name}`, node.id]))
const s = (name) => byName.get(`service ${name}`)
const t = (name) => byName.get(`table ${name}`)
const q = (name) => byName.get(`queue ${name}`)

// source, relation, target, calls a minute, p50 ms, p99 ms, error share
const EDGES = [
  [s('web'), 'calls', s('gateway'), 1240, 46, 420, 0.0004],
  [s('gateway'), 'calls', s('search'), 410, 18, 96],
  [s('gateway'), 'calls', s('recommendation'), 322, 22, 120],
  [s('gateway'), 'calls', s('cart'), 384, 9, 44],
  [s('gateway'), 'calls', s('checkout'), 184, 240, 410, 0, { slower: 1.17 }],
  [s('search'), 'reads', redis.id, 410, 0.6, 3.1],
  [s('recommendation'), 'reads', redis.id, 322, 0.7, 3.4],
  [s('checkout'), 'calls', s('cart'), 182, 10, 48],
  [s('checkout'), 'writes', t('orders'), 182, 6.1, 22],
  [s('checkout'), 'calls', s('inventory'), 182, 52, 140],
  [s('checkout'), 'calls', s('payment'), 182, 21, 180, 0.004, { slower: 1.38 }],
  [s('checkout'), 'calls', s('shipping'), 178, 31, 122],
  [s('checkout'), 'publishes', q('orders'), 178, 3, 11],
  [s('checkout'), 'publishes', q('emails'), 178, 2.8, 10],
  [s('cart'), 'reads', redis.id, 566, 0.5, 2.4],
  [s('cart'), 'writes', redis.id, 20, 0.6, 2.9],
  [s('cart'), 'reads', t('carts'), 258, 2.2, 12],
  [s('cart'), 'writes', t('carts'), 120, 3.6, 16],
  [s('inventory'), 'reads', t('stock'), 91, 4.4, 19],
  [s('inventory'), 'writes', t('stock'), 91, 4.5, 21],
  [s('payment'), 'writes', t('payments'), 182, 3.4, 17],
  [s('payment'), 'calls', stripe.id, 182, 16, 172, 0.009],
  [s('fraud'), 'consumes', q('orders'), 178, 14, 56, 0, { life: 'until' }],
  [s('payment'), 'calls', s('fraud'), 178, 14, 56, 0, { life: 'since' }],
  [s('accounting'), 'consumes', q('orders'), 178, 22, 88],
  [s('mail'), 'consumes', q('emails'), 356, 30, 90],
]

const FLOWS = {
  payment: 'charge',
  inventory: 'reserve_stock',
  cart: 'validate_cart',
  shipping: 'ship_order',
  fraud: 'screen_fraud',
}

export function ruleOf(relation, targetType) {
  if (relation === 'publishes' || relation === 'consumes') return 'messaging'
  if (relation !== 'calls') return 'db.explicit'
  return targetType === 'external' ? 'server.address' : 'paired'
}

const types = new Map(NODES.map((node) => [node.id, node]))

export const MODEL = EDGES.map(([source, relation, target, perMinute, p50, p99, errors = 0, more = {}]) => ({
  ...more,
  id: idOf(`${source} ${relation} ${target}`),
  source,
  target,
  relation,
  perMinute,
  p50,
  p99,
  errors,
  rule: ruleOf(relation, types.get(target)?.type),
  step: FLOWS[types.get(target)?.name] ?? null,
}))

export const HOPS = [
  [s('checkout'), q('orders'), s('fraud'), 178, 0.4, 'until'],
  [s('checkout'), q('orders'), s('accounting'), 178, 0.4],
  [s('checkout'), q('emails'), s('mail'), 356, 1.2],
]

// SPDX-License-Identifier: Apache-2.0
// A map of many nodes, laid out in layers as a server would.
import { idOf } from './shop.mjs'

/** A small generator with a seed, so that the picture is always the same. */
function random(seed) {
  let state = seed
  return () => {
    state = (state * 1664525 + 1013904223) % 4294967296
    return state / 4294967296
  }
}

const WORDS = [
  'order',
  'billing',
  'user',
  'search',
  'catalog',
  'price',
  'stock',
  'mail',
  'ledger',
  'audit',
  'media',
  'geo',
  'risk',
  'quote',
  'tax',
  'cart',
]
const ENDS = ['api', 'worker', 'gateway', 'store', 'sync', 'index', 'cache', 'feed']
const LAYERS = 9

function typeOf(layer, draw) {
  if (layer < LAYERS - 3) return 'service'
  const dice = draw()
  if (dice < 0.45) return 'service'
  return dice < 0.75 ? 'database' : dice < 0.9 ? 'queue' : 'external'
}

export function scaled(count, edgeCount) {
  const draw = random(7)
  const layers = Array.from({ length: LAYERS }, () => [])
  for (let index = 0; index < count; index++) {
    const layer = Math.min(LAYERS - 1, Math.floor(Math.sqrt(draw()) * LAYERS))
    const type = typeOf(layer, draw)
    const name = `${WORDS[Math.floor(draw() * WORDS.length)]}-${ENDS[Math.floor(draw() * ENDS.length)]}-${index}`
    layers[layer].push({
      id: idOf(`${type} ${name}`),
      type,
      name,
      ...(type === 'database' ? { system: 'postgresql' } : {}),
      ...(type === 'queue' ? { system: 'kafka' } : {}),
      scope: 'big',
      environment: 'prod',
      namespace: type === 'service' ? WORDS[index % WORDS.length] : 'db',
      layer,
    })
  }
  const tallest = Math.max(...layers.map((layer) => layer.length))
  const nodes = layers.flatMap((layer, index) =>
    layer.map((node, row) => ({
      ...node,
      layout: {
        x: index * 320,
        y: (row + (tallest - layer.length) / 2) * 72,
        width: 156,
        height: node.type === 'queue' ? 62 : 44,
        layer: index,
      },
    })),
  )
  const model = []
  const seen = new Set()
  const upper = nodes.filter((node) => node.type === 'service')
  while (model.length < edgeCount) {
    const source = upper[Math.floor(draw() * upper.length)]
    const target = nodes[Math.floor(draw() * nodes.length)]
    const far = target.layer - source.layer
    if (source === target || far > 3 || (far <= 0 && draw() > 0.02)) continue
    const relation =
      target.type === 'database'
        ? draw() < 0.6
          ? 'reads'
          : 'writes'
        : target.type === 'queue'
          ? 'publishes'
          : 'calls'
    const id = idOf(`${source.id} ${relation} ${target.id}`)
    if (seen.has(id)) continue
    seen.add(id)
    model.push({
      id,
      source: source.id,
      target: target.id,
      relation,
      perMinute: 10 ** (draw() * 3),
      p50: 2 + draw() * 40,
      p99: 60 + draw() * 300,
      errors: draw() < 0.01 ? 0.02 + draw() * 0.1 : 0,
      rule: relation === 'calls' ? 'paired' : 'db.explicit',
      step: null,
    })
  }
  return { nodes, model, hops: [] }
}

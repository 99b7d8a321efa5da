// SPDX-License-Identifier: Apache-2.0
// The answers behind a comparison: both windows, what differs, and one map over both of them, so that every
// node of either has its place in the same picture.
import { useMemo } from 'preact/hooks'
import { address } from '../api/client'
import type { DiffAnswer, MapAnswer } from '../api/types'
import { useAnswer } from '../api/use'
import { iso } from '../base/time'
import { timeWindow } from '../base/window'
import { comparedWith, comparisonOf, type Comparison, type Stretch } from './compare'
import { mapParams } from './place'

export interface Compared {
  a: Stretch
  b: Stretch
  comparison: Comparison
  /** Both windows in one, with counts of B, and for what is gone those of A. */
  picture: MapAnswer
}

/** The earlier window is A, whichever was drawn first. */
export function sides(): { a: Stretch; b: Stretch } | null {
  const other = comparedWith()
  const window = timeWindow.value
  if (!other || window.live) return null
  const own = { from: window.from, to: window.to }
  return other.from <= own.from ? { a: other, b: own } : { a: own, b: other }
}

/** The map with its nodes where they stand in the picture of both. */
function placedAs(whole: MapAnswer, map: MapAnswer): MapAnswer {
  const places = new Map(whole.nodes.map((node) => [node.id, node.layout]))
  const nodes = map.nodes.map((node) => {
    const layout = places.get(node.id)
    return layout ? { ...node, layout } : node
  })
  return { ...map, nodes }
}

function pictureOf(before: MapAnswer, after: MapAnswer): MapAnswer {
  const edges = new Map(before.edges.map((edge) => [edge.id, edge]))
  for (const edge of after.edges) edges.set(edge.id, edge)
  const nodes = new Map(before.nodes.map((node) => [node.id, node]))
  for (const node of after.nodes) nodes.set(node.id, node)
  return {
    ...after,
    widened: before.widened === true || after.widened === true,
    nodes: [...nodes.values()],
    edges: [...edges.values()],
    hops: [
      ...(after.hops ?? []),
      ...(before.hops ?? []).filter((hop) => !after.hops?.some((now) => now.queue === hop.queue)),
    ],
  }
}

function windowOf({ from, to }: Stretch): { from: string; to: string } {
  return { from: iso(from), to: iso(to) }
}

export function useCompared() {
  const both = sides()
  const ask = (stretch: Stretch | undefined) =>
    stretch ? address('map', { ...windowOf(stretch), ...mapParams() }) : null
  const before = useAnswer<MapAnswer>(ask(both?.a))
  const after = useAnswer<MapAnswer>(ask(both?.b))
  const whole = useAnswer<MapAnswer>(
    ask(both ? { from: both.a.from, to: Math.max(both.a.to, both.b.to) } : undefined),
  )
  const diff = useAnswer<DiffAnswer>(
    both
      ? address('map/diff', {
          a_from: iso(both.a.from),
          a_to: iso(both.a.to),
          b_from: iso(both.b.from),
          b_to: iso(both.b.to),
          ...mapParams(),
        })
      : null,
  )
  const [a, b, all, found] = [before.data.value, after.data.value, whole.data.value, diff.data.value]
  const ready = useMemo(() => {
    if (!a || !b || !all || !found) return null
    const before = placedAs(all, a)
    const after = placedAs(all, b)
    return { comparison: comparisonOf(found, before, after), picture: pictureOf(before, after) }
  }, [a, b, all, found])
  const error = diff.error.value ?? before.error.value ?? after.error.value ?? whole.error.value
  const compared: Compared | null = both && ready ? { ...both, ...ready } : null
  return { comparing: both !== null, compared, error }
}

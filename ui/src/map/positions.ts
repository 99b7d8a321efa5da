// SPDX-License-Identifier: Apache-2.0
// Boxes that people put somewhere by hand. They stand there for everybody; the server keeps the places, and what was
// moved here is shown at once.
import { signal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { address, send } from '../api/client'
import type { List, MapAnswer, Position } from '../api/types'
import { useAnswer } from '../api/use'

/** Whether dragging moves boxes instead of the picture. */
export const arranging = signal(false)

/** What was moved here and may not be in the server's answers yet. */
const moved = signal<ReadonlyMap<string, Position>>(new Map())
export const moveFailed = signal(false)

const REFRESH_MS = 30_000

export type Places = ReadonlyMap<string, { x: number; y: number }>

/** Where boxes were put. A server that keeps no places has none. */
export function usePlaces(): Places {
  const kept = useAnswer<List<Position>>(address('positions'), REFRESH_MS)
  const items = kept.data.value?.items
  const own = moved.value
  return useMemo(() => {
    const places = new Map<string, { x: number; y: number }>()
    for (const { node, x, y } of [...(items ?? []), ...own.values()]) {
      if (x === null || y === null) places.delete(node)
      else places.set(node, { x, y })
    }
    return places
  }, [items, own])
}

async function put(items: Position[]): Promise<void> {
  const next = new Map(moved.value)
  for (const item of items) next.set(item.node, item)
  moved.value = next
  try {
    await send<List<Position>>('PUT', address('positions'), { items })
    moveFailed.value = false
  } catch {
    moveFailed.value = true
  }
}

export function pinBox(node: string, x: number, y: number): void {
  void put([{ node, x: Math.round(x), y: Math.round(y) }])
}

export function unpin(nodes: string[]): void {
  void put(nodes.map((node) => ({ node, x: null, y: null })))
}

/** The answer with its boxes where they were put, and their tables with them. */
export function placed(answer: MapAnswer, places: Places): MapAnswer {
  if (places.size === 0) return answer
  const by = new Map<string, { dx: number; dy: number }>()
  for (const node of answer.nodes) {
    const at = places.get(node.id)
    if (at && node.layout) by.set(node.id, { dx: at.x - node.layout.x, dy: at.y - node.layout.y })
  }
  const nodes = answer.nodes.map((node) => {
    const shift = by.get(node.id) ?? by.get(node.parent ?? '')
    if (!shift || !node.layout || (shift.dx === 0 && shift.dy === 0)) return node
    return { ...node, layout: { ...node.layout, x: node.layout.x + shift.dx, y: node.layout.y + shift.dy } }
  })
  return { ...answer, nodes }
}

/** Arranging ends with the page that it was begun on. */
export function useArranging(): void {
  useEffect(
    () => () => {
      arranging.value = false
    },
    [],
  )
}

// SPDX-License-Identifier: Apache-2.0
// The live map: the server tells what is new or different as it happens. Where it cannot (an old server, a proxy
// that holds events back), the page asks every two seconds instead.
import { useSignal, type Signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { address, unreachableSince } from '../api/client'
import type { Hop, MapAnswer, MapUpdate } from '../api/types'
import { useAnswer, type Answer } from '../api/use'
import { timeWindow, windowParams } from '../base/window'
import { mapParams } from './place'

const ASK_MS = 2000
/** The longest window that is told live. */
const LONGEST_MS = 86_400e3

function hopKey(hop: { producer: string; queue: string; consumer: string }): string {
  return `${hop.producer} ${hop.queue} ${hop.consumer}`
}

function merged<T>(old: T[], fresh: T[], gone: Set<string>, key: (item: T) => string): T[] {
  if (fresh.length === 0 && gone.size === 0) return old
  const items = new Map(old.map((item) => [key(item), item]))
  for (const id of gone) items.delete(id)
  for (const item of fresh) items.set(key(item), item)
  return [...items.values()]
}

export function updated(before: MapAnswer | null, update: MapUpdate): MapAnswer {
  const times = { from: update.from, to: update.to, complete_to: update.complete_to }
  if (update.snapshot || !before)
    return { ...times, nodes: update.nodes, edges: update.edges, hops: update.hops, truncated: null }
  const gone = update.removed
  return {
    ...before,
    ...times,
    nodes: merged(before.nodes, update.nodes, new Set(gone.nodes), (node) => node.id),
    edges: merged(before.edges, update.edges, new Set(gone.edges), (edge) => edge.id),
    hops: merged<Hop>(before.hops ?? [], update.hops, new Set(gone.hops.map(hopKey)), hopKey),
  }
}

/** Null while nothing was told; `works` turns false when events do not come. */
function useEvents(url: string | null, works: Signal<boolean>): Signal<MapAnswer | null> {
  const map = useSignal<MapAnswer | null>(null)
  useEffect(() => {
    map.value = null
    if (url === null) return
    const source = new EventSource(url)
    source.addEventListener('map', (event) => {
      map.value = updated(map.peek(), JSON.parse(String(event.data)) as MapUpdate)
      unreachableSince.value = null
    })
    source.addEventListener('error', () => {
      // A stream that was refused is not tried again; one that broke, the browser opens anew.
      if (source.readyState === EventSource.CLOSED) works.value = false
    })
    return () => {
      source.close()
    }
  }, [url])
  return map
}

/** The map of the window in the header; `wanted` false asks nothing. */
export function useMap(wanted: boolean): { answer: Answer<MapAnswer>; map: MapAnswer | null } {
  const window = timeWindow.value
  const works = useSignal(true)
  const live = wanted && window.live && works.value && window.lengthMs <= LONGEST_MS
  const events = useEvents(live ? address('map/live', { window: window.last, ...mapParams() }) : null, works)
  // The first answer is asked for at once: it is there sooner than a stream can be set up.
  const url = address('map', { ...windowParams(window), ...mapParams() })
  const told = events.value !== null
  const answer = useAnswer<MapAnswer>(wanted && !told ? url : null, window.live ? ASK_MS : null)
  return { answer, map: events.value ?? answer.data.value }
}

// SPDX-License-Identifier: Apache-2.0
// Spans whole, asked for when somebody looks at them, together with their neighbours: whoever goes on with j and k
// finds the next one there. Of those that were seen, the last ones are kept.
import { signal, useSignal, type ReadonlySignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { address, ApiError, get, problemOf, Unreachable } from '../api/client'
import type { List, Span } from '../api/types'
import { SLOW_AFTER_MS } from '../api/use'
import { UNKNOWN_KIND, type OutlineSpan } from './outline'

/** As many as the server gives at once. */
export const DETAILS_AT_ONCE = 100
const KEPT_MAX = 4000
const RETRY_MS = 2000

type Named = Pick<OutlineSpan, 'trace_id' | 'span_id'>

function idOf(span: Named): string {
  return `${span.trace_id} ${span.span_id}`
}

/** A client and a server may share an id (Zipkin): the kind tells them apart, as the map does. */
function keyOf(span: Named & { kind?: string }): string {
  return `${idOf(span)} ${span.kind === 'client' ? 'client' : ''}`
}

const kept = signal<ReadonlyMap<string, Span>>(new Map())
/** Requests on their way, by the ids that they ask for: both of a shared id come together. */
const flights = new Map<string, Promise<void>>()

function find(span: OutlineSpan, among: ReadonlyMap<string, Span>): Span | undefined {
  if (span.kind !== UNKNOWN_KIND) return among.get(keyOf(span))
  const both = ['', 'client'].map((kind) => among.get(keyOf({ ...span, kind })))
  return both.find((one) => one?.duration_ns === span.duration) ?? both.find((one) => one !== undefined)
}

export function detailOf(span: OutlineSpan): Span | undefined {
  return find(span, kept.value)
}

function isKept(span: OutlineSpan): boolean {
  return find(span, kept.peek()) !== undefined
}

function keep(spans: Span[]): void {
  const next = new Map(kept.peek())
  for (const span of spans) {
    // Behind all others, even if it was there: the first ones go first.
    next.delete(keyOf(span))
    next.set(keyOf(span), span)
  }
  for (const old of next.keys()) {
    if (next.size <= KEPT_MAX) break
    next.delete(old)
  }
  kept.value = next
}

async function read(trace: string, ids: string[]): Promise<void> {
  const url = address(`traces/${encodeURIComponent(trace)}/spans`, { span_id: ids.join(',') })
  keep((await get<List<Span>>(url)).items)
}

function askFor(spans: OutlineSpan[]): Promise<void> {
  const ids = [...new Set(spans.map((span) => span.span_id))]
  const flight = read(spans[0]?.trace_id ?? '', ids).finally(() => {
    for (const span of spans) flights.delete(idOf(span))
  })
  for (const span of spans) flights.set(idOf(span), flight)
  return flight
}

/** Has those of `wanted` (of any traces) that are not there yet, or fails as the first request that did. */
async function fetchAll(wanted: readonly OutlineSpan[]): Promise<void> {
  const missing = new Map<string, OutlineSpan[]>()
  const coming = new Set<Promise<void>>()
  for (const span of wanted) {
    if (isKept(span)) continue
    const flight = flights.get(idOf(span))
    if (flight) coming.add(flight)
    else missing.set(span.trace_id, [...(missing.get(span.trace_id) ?? []), span])
  }
  for (const spans of missing.values())
    for (let at = 0; at < spans.length; at += DETAILS_AT_ONCE)
      coming.add(askFor(spans.slice(at, at + DETAILS_AT_ONCE)))
  await Promise.all(coming)
}

/** What a panel asks for: each request reads its trace as a whole on the server, so that there is one at a time. */
let reading: Promise<void> | null = null

async function fetchAround({ span, near, around }: Looked, isGone: () => boolean): Promise<void> {
  while (reading !== null) {
    // Its failure is not ours to tell: what is missing afterwards is asked for again.
    await reading.catch(() => undefined)
    if (isGone()) return
  }
  if (![span, ...near].every(isKept)) {
    reading = fetchAll([span, ...around]).finally(() => (reading = null))
    await reading
  }
  if (!isKept(span)) throw new ApiError(404, 'span_not_found', 'This span is no longer stored', '')
}

export interface Asking {
  error: ReadonlySignal<ApiError | Unreachable | null>
  /** Nothing has come for 300 ms. */
  slow: ReadonlySignal<boolean>
}

/** Asks when one of `when` is another; again while the server does not answer. Tells what went wrong. */
function useAsking(ask: (isGone: () => boolean) => Promise<void>, when: unknown[]): Asking {
  const error = useSignal<ApiError | Unreachable | null>(null)
  const slow = useSignal(false)
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let gone = false
    const slowTimer = setTimeout(() => (slow.value = true), SLOW_AFTER_MS)
    const attempt = async () => {
      const failed = await ask(() => gone).then(() => null, problemOf)
      if (gone) return
      clearTimeout(slowTimer)
      slow.value = false
      error.value = failed
      if (failed instanceof Unreachable || failed?.status === 503)
        timer = setTimeout(() => void attempt(), RETRY_MS)
    }
    void attempt()
    return () => {
      gone = true
      clearTimeout(timer)
      clearTimeout(slowTimer)
      slow.value = false
    }
  }, when)
  return { error, slow }
}

/** Has all of them fetched. More than are kept may be wanted: those that had to go are not asked for again. */
export function useDetails(wanted: readonly OutlineSpan[]): Asking {
  return useAsking(() => fetchAll(wanted), [wanted.map(keyOf).join()])
}

export interface Looked {
  span: OutlineSpan
  /** Where the next keys lead: while all of them are there, nothing is asked. */
  near: readonly OutlineSpan[]
  /** What comes along when something is asked. */
  around: readonly OutlineSpan[]
}

/** Has one span fetched that is looked at, again when it had to go. */
export function useDetail(looked: Looked): Asking {
  const there = detailOf(looked.span) !== undefined
  return useAsking((isGone) => fetchAround(looked, isGone), [keyOf(looked.span), there])
}

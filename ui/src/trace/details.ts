// SPDX-License-Identifier: Apache-2.0
// Spans whole, asked for when somebody looks at them, together with their neighbours: whoever goes on with j and k
// finds the next one there. Of those that were seen, the last ones are kept.
import { signal, useSignal, type ReadonlySignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { address, get, problemOf, Unreachable, type ApiError } from '../api/client'
import type { List, Span } from '../api/types'
import type { OutlineSpan } from './outline'

/** As many as the server gives at once. */
export const DETAILS_AT_ONCE = 100
const KEPT_MAX = 4000
const RETRY_MS = 2000

/** A client and a server may share an id (Zipkin): the kind tells them apart, as the map does. */
function keyOf(span: { trace_id: string; span_id: string; kind?: string }): string {
  return `${span.trace_id} ${span.span_id} ${span.kind === 'client' ? 'client' : ''}`
}

const kept = signal<ReadonlyMap<string, Span>>(new Map())
const asked = new Set<string>()

export function detailOf(span: OutlineSpan): Span | undefined {
  return kept.value.get(keyOf(span))
}

function keep(spans: Span[]): void {
  const next = new Map(kept.peek())
  for (const span of spans) next.set(keyOf(span), span)
  for (const old of next.keys()) {
    if (next.size <= KEPT_MAX) break
    next.delete(old)
  }
  kept.value = next
}

async function askFor(spans: OutlineSpan[]): Promise<void> {
  const trace = spans[0]?.trace_id ?? ''
  const ids = [...new Set(spans.map((span) => span.span_id))]
  const keys = spans.map(keyOf)
  for (const key of keys) asked.add(key)
  try {
    const url = address(`traces/${encodeURIComponent(trace)}/spans`, { span_id: ids.join(',') })
    keep((await get<List<Span>>(url)).items)
  } finally {
    for (const key of keys) asked.delete(key)
  }
}

/** Asks for those of `wanted` (of any traces) that are not there yet. The first failure is the answer. */
async function fetchAll(wanted: readonly OutlineSpan[]): Promise<void> {
  const missing = new Map<string, OutlineSpan[]>()
  for (const span of wanted) {
    if (kept.peek().has(keyOf(span)) || asked.has(keyOf(span))) continue
    missing.set(span.trace_id, [...(missing.get(span.trace_id) ?? []), span])
  }
  const parts = [...missing.values()].flatMap((spans) =>
    Array.from({ length: Math.ceil(spans.length / DETAILS_AT_ONCE) }, (_, at) =>
      spans.slice(at * DETAILS_AT_ONCE, (at + 1) * DETAILS_AT_ONCE),
    ),
  )
  await Promise.all(parts.map(askFor))
}

/** Has them fetched; asks again while the server does not answer. Tells what went wrong. */
export function useDetails(wanted: readonly OutlineSpan[]): ReadonlySignal<ApiError | Unreachable | null> {
  const error = useSignal<ApiError | Unreachable | null>(null)
  const key = wanted.map(keyOf).join()
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let gone = false
    const ask = () => {
      fetchAll(wanted).then(
        () => {
          if (!gone) error.value = null
        },
        (problem: unknown) => {
          if (gone) return
          error.value = problemOf(problem)
          if (error.value instanceof Unreachable || error.value.status === 503)
            timer = setTimeout(ask, RETRY_MS)
        },
      )
    }
    ask()
    return () => {
      gone = true
      clearTimeout(timer)
    }
  }, [key])
  return error
}

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
/** On their way. Whoever wants one of them too waits for the same answer, and hears the same failure. */
const asked = new Map<string, Promise<void>>()

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

async function answerFor(spans: OutlineSpan[]): Promise<void> {
  const trace = spans[0]?.trace_id ?? ''
  const ids = [...new Set(spans.map((span) => span.span_id))]
  const url = address(`traces/${encodeURIComponent(trace)}/spans`, { span_id: ids.join(',') })
  keep((await get<List<Span>>(url)).items)
}

function askFor(spans: OutlineSpan[]): Promise<void> {
  const keys = spans.map(keyOf)
  const answer = answerFor(spans).finally(() => {
    for (const key of keys) asked.delete(key)
  })
  for (const key of keys) asked.set(key, answer)
  return answer
}

/** Asks for those of `wanted` (of any traces) that are not there yet. The first failure is the answer. */
async function fetchAll(wanted: readonly OutlineSpan[]): Promise<void> {
  const missing = new Map<string, OutlineSpan[]>()
  const coming = new Set<Promise<void>>()
  for (const span of wanted) {
    const key = keyOf(span)
    const answer = asked.get(key)
    if (answer) coming.add(answer)
    else if (!kept.peek().has(key)) missing.set(span.trace_id, [...(missing.get(span.trace_id) ?? []), span])
  }
  for (const spans of missing.values())
    for (let at = 0; at < spans.length; at += DETAILS_AT_ONCE)
      coming.add(askFor(spans.slice(at, at + DETAILS_AT_ONCE)))
  await Promise.all(coming)
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

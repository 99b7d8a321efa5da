// SPDX-License-Identifier: Apache-2.0
// Reads the traces of a run, the first ones at once, others when asked for. Bounded: what is not read is said.
import { signal, useSignal, type Signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { address, ApiError, get, TooLarge } from '../api/client'
import type { Run } from '../flows/types'
import { outlineOf, type OutlineAnswer } from '../trace/outline'
import type { Loaded } from './model'

/** Traces that are read without asking, and with each wish for more. */
export const TRACES_AT_ONCE = 24
/** Of all traces together. */
export const SPANS_MAX = 200_000
/** An answer of more bytes is one trace of very many spans: it opens by itself, not within a run. */
const TRACE_BYTES_MAX = 32e6
const TOGETHER = 4

export interface Reading {
  loaded: Signal<ReadonlyMap<string, Loaded>>
  /** How many are still on their way. */
  waiting: Signal<number>
  read: (traceIds: string[]) => void
}

function spansIn(loaded: ReadonlyMap<string, Loaded>): number {
  let spans = 0
  for (const one of loaded.values()) if (typeof one !== 'string') spans += one.spans.length
  return spans
}

async function readOne(traceId: string, room: number, abort: AbortSignal): Promise<Loaded> {
  try {
    const url = address(`traces/${encodeURIComponent(traceId)}/outline`)
    const answer = await get<OutlineAnswer>(url, abort, TRACE_BYTES_MAX)
    return answer.spans.span_id.length > room ? 'large' : outlineOf(answer)
  } catch (error) {
    if (error instanceof TooLarge) return 'large'
    if (error instanceof ApiError && error.status === 404) return 'gone'
    return 'waiting'
  }
}

export function useTraces(run: Run): Reading {
  const loaded = useSignal<ReadonlyMap<string, Loaded>>(new Map())
  const waiting = useSignal(0)
  const queue = useSignal(signal<string[]>([])).value
  const running = useSignal({ n: 0, abort: new AbortController() }).value

  const next = async (): Promise<void> => {
    const [traceId, ...rest] = queue.value
    if (traceId === undefined || running.n >= TOGETHER) return
    queue.value = rest
    running.n++
    const found = await readOne(traceId, SPANS_MAX - spansIn(loaded.peek()), running.abort.signal)
    running.n--
    if (running.abort.signal.aborted) return
    waiting.value = queue.value.length + running.n
    loaded.value = new Map(loaded.peek()).set(traceId, found)
    void next()
  }
  const read = (traceIds: string[]) => {
    const known = (id: string) => loaded.peek().has(id) || queue.value.includes(id)
    queue.value = [...queue.value, ...traceIds.filter((id) => !known(id))]
    waiting.value = queue.value.length + running.n
    for (let at = running.n; at < TOGETHER; at++) void next()
  }
  useEffect(
    () => () => {
      running.abort.abort()
    },
    [],
  )
  // A run that goes on gets more traces: those are read too, while they are few.
  const first = run.traces.slice(0, TRACES_AT_ONCE).join()
  useEffect(() => {
    read(run.traces.slice(0, TRACES_AT_ONCE))
  }, [first])
  return { loaded, waiting, read }
}

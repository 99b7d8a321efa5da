// SPDX-License-Identifier: Apache-2.0
// A component's question to the server: asked again when the address changes or every so often, with the old
// answer kept on the screen until the new one is there.
import { useSignal, type Signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get, problemOf, Unreachable, type ApiError } from './client'

export interface Answer<T> {
  data: Signal<T | null>
  error: Signal<ApiError | Unreachable | null>
  /** The address that `data` answers; lets a page tell old data from new. */
  of: Signal<string | null>
  /** Nothing has come for 300 ms: time for a skeleton. */
  slow: Signal<boolean>
}

export const SLOW_AFTER_MS = 300
const RETRY_MS = 2000

/** Asks `url` (null: nothing), and again `everyMs` after each answer (null: once; retries if unreachable), and at
 *  once when `turn` is another. */
export function useAnswer<T>(url: string | null, everyMs: number | null = null, turn = ''): Answer<T> {
  const data = useSignal<T | null>(null)
  const error = useSignal<ApiError | Unreachable | null>(null)
  const of = useSignal<string | null>(null)
  const slow = useSignal(false)

  useEffect(() => {
    if (url === null) {
      data.value = null
      error.value = null
      of.value = null
      return
    }
    const abort = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const slowTimer = setTimeout(() => (slow.value = true), SLOW_AFTER_MS)
    const again = (ms: number) => (timer = setTimeout(() => void ask(), ms))

    const ask = async () => {
      if (document.hidden && of.value === url) {
        again(everyMs ?? RETRY_MS)
        return
      }
      const began = performance.now()
      let failed: ApiError | Unreachable | null = null
      try {
        const answer = await get<T>(url, abort.signal)
        if (abort.signal.aborted) return
        data.value = answer
        of.value = url
      } catch (problem) {
        if (abort.signal.aborted) return
        failed = problemOf(problem)
      }
      error.value = failed
      clearTimeout(slowTimer)
      slow.value = false
      // A dear answer is asked for less often, so that a big map never keeps the browser or server busy.
      const took = performance.now() - began
      if (failed instanceof Unreachable) again(RETRY_MS)
      else if (everyMs !== null && failed === null) again(Math.max(everyMs, took * 10))
    }
    void ask()
    return () => {
      abort.abort()
      clearTimeout(timer)
      clearTimeout(slowTimer)
      slow.value = false
    }
  }, [url, everyMs, turn])

  return { data, error, of, slow }
}

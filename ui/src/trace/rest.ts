// SPDX-License-Identifier: Apache-2.0
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'

/** So long a span is looked at before more is asked about it: who goes through rows by keys wants none of it. */
const REST_MS = 250

/** Whether what is shown has been there for a while. */
export function useRested(): boolean {
  const rested = useSignal(false)
  useEffect(() => {
    const timer = setTimeout(() => (rested.value = true), REST_MS)
    return () => {
      clearTimeout(timer)
    }
  }, [])
  return rested.value
}

// SPDX-License-Identifier: Apache-2.0
// What is said when something is missing or broken: what, why, and what to do.
import type { ComponentChildren } from 'preact'
import { useSignal } from '@preact/signals'
import { ApiError, unreachableSince, Unreachable } from '../api/client'
import { ms, when } from '../base/time'
import { pinnedPatch, timeWindow } from '../base/window'
import { hrefWith } from '../base/route'
import { CheckIcon, CopyIcon } from './icons'
import { status } from './state'

export function Notice({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="notice" role="status">
      <h2>{title}</h2>
      {children}
    </div>
  )
}

/** Stays on top of the page, which keeps what it had. */
export function UnreachableBar() {
  const since = unreachableSince.value
  // With nothing on the page yet, the page itself says it, at length.
  if (since === null || status.value === null) return null
  return (
    <div class="bar-error" role="alert">
      <strong>Weft does not answer at {location.host}.</strong> What is shown is from before {when(since)}.
      The page asks again every 2 s.
    </div>
  )
}

export function Problem({ error }: { error: ApiError | Unreachable }) {
  if (error instanceof Unreachable) {
    return (
      <Notice title="The server does not answer">
        <p>
          Nothing listens at <code>{location.host}</code>. Start it with <code>weft serve</code>. This page
          goes on by itself as soon as it answers.
        </p>
      </Notice>
    )
  }
  return (
    <Notice title={error.message}>
      {error.hint !== '' && <p>{error.hint}</p>}
      <p class="muted">
        Error <code>{error.code}</code>, status {error.status}
      </p>
    </Notice>
  )
}

/** There are spans, but none in this window. */
export function NothingHere({ what = 'No spans in this window.' }: { what?: string }) {
  const newest = status.value?.spans.newest
  if (newest === null || newest === undefined) return <Notice title={what} />
  const at = ms(newest)
  const length = Math.min(timeWindow.value.lengthMs, 15 * 60e3)
  return (
    <Notice title={what}>
      <p>
        The newest is from {when(at)}.{' '}
        <a href={hrefWith(pinnedPatch(at - length + 60e3, at + 60e3))}>Go there.</a>
      </p>
    </Notice>
  )
}

export function CopyButton({ text, label, big }: { text: string; label: string; big?: boolean }) {
  const done = useSignal(false)
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
    } catch {
      // Without a secure origin there is no clipboard API; the old way still works.
      const area = document.createElement('textarea')
      area.value = text
      document.body.append(area)
      area.select()
      // eslint-disable-next-line @typescript-eslint/no-deprecated
      document.execCommand('copy')
      area.remove()
    }
    done.value = true
    setTimeout(() => (done.value = false), 2000)
  }
  return (
    <button
      class={big ? 'primary' : 'plain small'}
      aria-label={big ? undefined : label}
      title={label}
      onClick={() => void copy()}
    >
      {done.value ? <CheckIcon /> : <CopyIcon />}
      {big && <span aria-live="polite">{done.value ? 'Copied' : 'Copy'}</span>}
    </button>
  )
}

// SPDX-License-Identifier: Apache-2.0
// A flow's runs and failures over the window, as small as a word; asked for when its row comes into sight.
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { address } from '../api/client'
import { useAnswer } from '../api/use'
import { exact, plural } from '../base/format'
import { timeWindow, windowParams } from '../base/window'
import type { FlowHistory, FlowItem } from './types'

const WIDTH = 96
const HEIGHT = 18
const BARS = 48
const LIVE_MS = 30_000

/** Whole minutes, and few enough bars to tell them apart. */
function stepOf(lengthMs: number): string {
  return `${Math.max(1, Math.ceil(lengthMs / 60e3 / BARS))}m`
}

function Bars({ history }: { history: FlowHistory }) {
  const { points } = history
  const most = Math.max(1, ...points.map((point) => point.runs))
  const wide = WIDTH / points.length
  const bars = (value: (point: FlowHistory['points'][number]) => number) =>
    points
      .map((point, at) => {
        const high = value(point) === 0 ? 0 : Math.max(1, (value(point) / most) * HEIGHT)
        const x = (at * wide).toFixed(1)
        return high === 0
          ? ''
          : `M${x} ${HEIGHT}v${(-high).toFixed(1)}h${Math.max(0.8, wide - 0.5).toFixed(1)}V${HEIGHT}z`
      })
      .join('')
  const failures = points.reduce((sum, point) => sum + point.failures, 0)
  const changes = Math.max(0, history.versions.length - 1)
  const label = [
    `at most ${plural(most, 'run')} at a time`,
    `${exact(failures)} failed`,
    changes > 0 && `its shape changed ${changes === 1 ? 'once' : `${changes} times`}`,
  ]
    .filter((part) => part !== false)
    .join(', ')
  return (
    <svg class="small-history" width={WIDTH} height={HEIGHT} role="img" aria-label={label}>
      <title>{label}</title>
      <path class="bar" d={bars((point) => point.runs)} />
      <path class="bar bad" d={bars((point) => point.failures)} />
    </svg>
  )
}

export function SmallHistory({ item }: { item: FlowItem }) {
  const root = useRef<HTMLSpanElement>(null)
  const seen = useSignal(false)
  useEffect(() => {
    const element = root.current
    // One that people defined is evaluated anew for each question: not without being asked.
    if (!element || seen.value || item.defined === true) return
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) seen.value = true
    })
    observer.observe(element)
    return () => {
      observer.disconnect()
    }
  }, [seen.value])
  const window = timeWindow.value
  const url = address(`flows/${encodeURIComponent(item.name)}/history`, {
    ...windowParams(window),
    step: stepOf(window.lengthMs),
    scope: item.scope,
    environment: item.environment,
    ...(item.defined === true ? { defined: true } : {}),
  })
  const history = useAnswer<FlowHistory>(
    seen.value ? url : null,
    window.live && item.defined !== true ? LIVE_MS : null,
  ).data.value
  return (
    <span class="small-history-cell" ref={root}>
      {item.defined === true && !seen.value && (
        <button class="link" onClick={() => (seen.value = true)}>
          Show
        </button>
      )}
      {seen.value && !history && <span class="muted">…</span>}
      {history && history.points.length > 0 && <Bars history={history} />}
    </span>
  )
}

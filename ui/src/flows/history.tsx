// SPDX-License-Identifier: Apache-2.0
// A flow over the window: its runs, the moments at which its shape changed, and the deploys beside them.
import { address } from '../api/client'
import { useAnswer } from '../api/use'
import { plural } from '../base/format'
import { ms, when } from '../base/time'
import { timeWindow, windowParams } from '../base/window'
import { flowParams } from './definitions'
import type { FlowElements, FlowHistory } from './types'

const LIVE_MS = 30_000
const WIDTH = 600
const HEIGHT = 22
const NAMES_SHOWN = 6
/** About as many as can be told apart. */
const POINTS = 288

function names(elements: FlowElements, sign: string): string[] {
  return [
    ...elements.steps.map((step) => `${sign} ${step.name}${step.again ? ' (again)' : ''}`),
    ...elements.follows.map(
      (follow) => `${sign} ${follow.from} → ${follow.to}${follow.again ? ' (again)' : ''}`,
    ),
  ]
}

function shortened(list: string[], between = ', '): string {
  const more = list.length - NAMES_SHOWN
  return list.slice(0, NAMES_SHOWN).join(between) + (more > 0 ? ` and ${more} more` : '')
}

interface Mark {
  at: number
  kind: 'shape' | 'deploy' | 'variant'
  title: string
}

/** Variants that came or went while the shape stayed as it is: else its own mark tells. */
function variantMarks(history: FlowHistory): Mark[] {
  const shapes = new Set(history.versions.map((version) => version.time))
  const changes = new Map<string, string[]>()
  const add = (time: string, sign: string, sequence: string[]) => {
    if (shapes.has(time) || time >= history.to) return
    changes.set(time, [...(changes.get(time) ?? []), `${sign} ${shortened(sequence, ' → ')}`])
  }
  for (const variant of history.variants) {
    for (const interval of variant.intervals) {
      if (!interval.before) add(interval.from, '+', variant.sequence)
      if (!interval.ongoing) add(interval.to, '−', variant.sequence)
    }
  }
  return [...changes].map(([time, list]): Mark => {
    const at = ms(time)
    return { at, kind: 'variant', title: `${when(at)}: variants ${shortened(list)}` }
  })
}

function marksOf(history: FlowHistory): Mark[] {
  const shapes = history.versions.slice(1).map((version): Mark => {
    const changes = [...names(version.came, '+'), ...names(version.went, '−')]
    const at = ms(version.time)
    return { at, kind: 'shape', title: `${when(at)}: version ${version.version}, ${shortened(changes)}` }
  })
  const deploys = history.deploys.map((deploy): Mark => {
    const at = ms(deploy.time)
    return { at, kind: 'deploy', title: `${when(at)}: ${deploy.name} ${deploy.version} deployed` }
  })
  return [...deploys, ...shapes, ...variantMarks(history)]
}

export function HistoryStrip({ name }: { name: string }) {
  const window = timeWindow.value
  const url = address(`flows/${encodeURIComponent(name)}/history`, {
    ...windowParams(window),
    ...flowParams(),
    step: `${Math.max(1, Math.ceil(window.lengthMs / 60e3 / POINTS))}m`,
  })
  const history = useAnswer<FlowHistory>(url, window.live ? LIVE_MS : null).data.value
  if (!history || history.points.length === 0) return null
  const from = ms(history.from)
  const span = Math.max(1, ms(history.to) - from)
  const most = Math.max(1, ...history.points.map((point) => point.runs))
  const width = WIDTH / history.points.length
  // One element for all: a day has hundreds of them.
  const bar = (point: FlowHistory['points'][number], at: number) => {
    const high = (point.runs / most) * HEIGHT
    return `M${(at * width).toFixed(2)} ${HEIGHT}v${(-high).toFixed(2)}h${Math.max(0.5, width - 0.5).toFixed(2)}V${HEIGHT}z`
  }
  const marks = marksOf(history)
  const changes = Math.max(0, history.versions.length - 1)
  const label = `${plural(changes, 'change')} of shape, ${plural(history.deploys.length, 'deploy')}`
  return (
    <figure class="flow-history">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT + 8}`} preserveAspectRatio="none" role="img" aria-label={label}>
        <path class="flow-history-runs" d={history.points.map(bar).join('')} />
        {marks.map((mark) => (
          <rect
            key={mark.kind + mark.title}
            class={`flow-history-${mark.kind}`}
            x={Math.min(WIDTH - 2, ((mark.at - from) / span) * WIDTH)}
            y={mark.kind === 'deploy' ? HEIGHT + 2 : 0}
            width={mark.kind === 'deploy' ? 4 : 2}
            height={mark.kind === 'deploy' ? 6 : mark.kind === 'shape' ? HEIGHT : 5}
          >
            <title>{mark.title}</title>
          </rect>
        ))}
      </svg>
      <figcaption class="muted">{label}</figcaption>
    </figure>
  )
}

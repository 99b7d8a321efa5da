// SPDX-License-Identifier: Apache-2.0
// A small picture of the window: count and errors as bars, p99 as a line, with what the highest is.
import type { SeriesPoint } from '../api/types'
import { duration, rate } from '../base/format'
import { clock, ms } from '../base/time'

const WIDTH = 168
const HEIGHT = 22

function Bars({ values, bad }: { values: number[]; bad?: boolean }) {
  const most = Math.max(1e-9, ...values)
  const step = WIDTH / Math.max(1, values.length)
  const gap = step > 4 ? 1 : 0
  const d = values
    .map((value, index) => {
      const high = value === 0 ? 0 : Math.max(1, (value / most) * HEIGHT)
      return high === 0 ? '' : `M${index * step} ${HEIGHT}v${-high}h${step - gap}v${high}z`
    })
    .join('')
  return (
    <svg width={WIDTH} height={HEIGHT} aria-hidden="true">
      <path class={bad ? 'bar bad' : 'bar'} d={d} />
      <path class="axis" d={`M0 ${HEIGHT - 0.5}H${WIDTH}`} />
    </svg>
  )
}

function Curve({ values }: { values: (number | undefined)[] }) {
  const most = Math.max(1, ...values.map((value) => value ?? 0))
  const step = WIDTH / Math.max(1, values.length)
  let d = ''
  let pen = false
  for (const [index, value] of values.entries()) {
    if (value === undefined) pen = false
    else {
      d += `${pen ? 'L' : 'M'}${(index + 0.5) * step} ${HEIGHT - 1 - (value / most) * (HEIGHT - 3)}`
      pen = true
    }
  }
  return (
    <svg width={WIDTH} height={HEIGHT} aria-hidden="true">
      <path class="curve" d={d} />
    </svg>
  )
}

export function Series({ points, what }: { points: SeriesPoint[]; what: string }) {
  const first = points[0]
  const last = points.at(-1)
  if (!first || !last) return <p class="muted">No minute of this window had any.</p>
  const stepMinutes = points.length > 1 ? (ms(points[1]?.time ?? first.time) - ms(first.time)) / 60e3 : 1
  const most = (values: number[]) => Math.max(0, ...values)
  const counts = points.map((point) => point.count)
  const errors = points.map((point) => point.errors)
  const slow = points.map((point) => point.p99_ns)
  const hasLatency = slow.some((value) => value !== undefined)
  return (
    <div class="series">
      <span>{what}</span>
      <Bars values={counts} />
      <span class="series-most">max {rate(most(counts) / stepMinutes)}</span>
      <span>Errors</span>
      <Bars values={errors} bad />
      <span class="series-most">max {rate(most(errors) / stepMinutes)}</span>
      {hasLatency && (
        <>
          <span>p99</span>
          <Curve values={slow} />
          <span class="series-most">max {duration(most(slow.map((value) => value ?? 0)))}</span>
        </>
      )}
      <span />
      <span class="series-ends">
        <span>{clock(ms(first.time))}</span>
        <span>{clock(ms(last.time) + stepMinutes * 60e3)}</span>
      </span>
      <span />
    </div>
  )
}

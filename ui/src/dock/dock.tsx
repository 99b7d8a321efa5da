// SPDX-License-Identifier: Apache-2.0
// The time dock: requests and errors over a range, with the window shown. Drag it, its ends, or a new one.
import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { address } from '../api/client'
import type { HistoryPoint, List, MapAnswer } from '../api/types'
import { useAnswer } from '../api/use'
import { exact } from '../base/format'
import { param, set } from '../base/route'
import { useSize } from '../base/size'
import { clock, iso, lengthMs, lengthText, ms, span, ticks, tickText } from '../base/time'
import { DEFAULT_LAST, livePatch, pin, timeWindow } from '../base/window'
import { EarlierIcon, LaterIcon, NowIcon } from '../frame/icons'
import { Menu } from '../frame/menu'
import { placeParams } from '../map/place'
import { status } from '../frame/state'
import { useScrub } from './scrub'

const RANGES = ['1h', '3h', '6h', '12h', '24h', '7d', '30d']
const DEFAULT_RANGE = '6h'
const MOST_BARS = 96
const REFRESH_MS = 15_000
const HEIGHT = 34

export interface Frame {
  from: number
  to: number
  stepMs: number
}

function stepOf(length: number): number {
  const minutes = [1, 2, 3, 4, 5, 10, 15, 30, 60, 120, 180, 360, 720]
  return (minutes.find((count) => length / (count * 60e3) <= MOST_BARS) ?? 1440) * 60e3
}

/** The range ends now, unless the window lies before it: then the window stands in its middle. */
function frameOf(now: number): Frame {
  const window = timeWindow.value
  const length = lengthMs(param('range') ?? DEFAULT_RANGE) ?? 6 * 3600e3
  const wide = window.live ? length : Math.max(length, window.lengthMs * 1.5)
  const stepMs = stepOf(wide)
  let to = Math.ceil(now / stepMs) * stepMs
  if (!window.live && window.from < to - wide) to = Math.ceil((window.to + wide / 2) / stepMs) * stepMs
  return { from: to - Math.ceil(wide / stepMs) * stepMs, to, stepMs }
}

function Bars({
  points,
  frame,
  width,
  now,
}: {
  points: HistoryPoint[]
  frame: Frame
  width: number
  now: number
}) {
  // The step that is still being counted is as wide as it is old, and as high as its rate.
  const done = (point: HistoryPoint) => Math.max(0.1, Math.min(1, (now - ms(point.time)) / frame.stepMs))
  const most = Math.max(1, ...points.map((point) => point.requests / done(point)))
  const step = (frame.stepMs / (frame.to - frame.from)) * width
  const bar = (point: HistoryPoint, value: number) => {
    const x = ((ms(point.time) - frame.from) / (frame.to - frame.from)) * width
    const part = done(point)
    const high = value <= 0 ? 0 : Math.max(1, (value / part / most) * HEIGHT)
    return high === 0
      ? ''
      : `M${x.toFixed(1)} ${HEIGHT}V${(HEIGHT - high).toFixed(1)}h${Math.max(1, step * part - 1.5).toFixed(1)}V${HEIGHT}z`
  }
  return (
    <>
      <path class="bar" d={points.map((point) => bar(point, point.requests)).join('')} />
      <path class="bar bad" d={points.map((point) => bar(point, point.errors)).join('')} />
    </>
  )
}

function Axis({ frame, width }: { frame: Frame; width: number }) {
  const places = ticks(frame.from, frame.to, Math.max(2, Math.floor(width / 110)))
  return (
    <g class="dock-axis">
      <path class="axis" d={`M0 ${HEIGHT + 0.5}H${width}`} />
      {places.map((at) => {
        const x = ((at - frame.from) / (frame.to - frame.from)) * width
        if (x < 14 || x > width - 14) return null
        return (
          <g key={at} transform={`translate(${x} 0)`}>
            <path class="axis" d={`M0.5 ${HEIGHT}v3`} />
            <text y={HEIGHT + 14}>{tickText(at, frame.from, frame.to)}</text>
          </g>
        )
      })}
    </g>
  )
}

function Buttons({ shown }: { shown: { from: number; to: number } }) {
  const window = timeWindow.value
  const length = shown.to - shown.from
  const range = param('range') ?? DEFAULT_RANGE
  const choices = RANGES.map((value) => ({ value, text: lengthText(lengthMs(value) ?? 0) }))
  return (
    <div class="dock-side">
      <div class="dock-buttons">
        <button
          class="control square"
          aria-label="Earlier"
          title="Earlier by one window"
          disabled={status.value?.spans.stored === 0}
          onClick={() => {
            pin(shown.from - length, shown.from)
          }}
        >
          <EarlierIcon />
        </button>
        <button
          class="control square"
          aria-label="Later"
          title="Later by one window"
          disabled={window.live}
          onClick={() => {
            if (shown.to + length >= Date.now()) set(livePatch(DEFAULT_LAST))
            else pin(shown.to, shown.to + length)
          }}
        >
          <LaterIcon />
        </button>
        <button
          class="control square"
          aria-label="Now"
          title="Back to now"
          disabled={window.live}
          onClick={() => {
            set(livePatch(DEFAULT_LAST))
          }}
        >
          <NowIcon />
        </button>
      </div>
      <div class="dock-range">
        <span class="muted">Range</span>
        <Menu
          label={`Range: ${lengthText(lengthMs(range) ?? 0)}`}
          shown={lengthText(lengthMs(range) ?? 0)}
          value={range}
          choices={choices}
          align="right"
          up
          quiet
          onChoose={(value) => {
            set({ range: value === DEFAULT_RANGE ? null : value })
          }}
        />
      </div>
    </div>
  )
}

function summary(points: HistoryPoint[], frame: Frame): string {
  const requests = points.reduce((sum, point) => sum + point.requests, 0)
  const errors = points.reduce((sum, point) => sum + point.errors, 0)
  return `${span(frame.from, frame.to)}: ${exact(requests)} requests, ${exact(errors)} errors`
}

export function Dock({ answer }: { answer: MapAnswer | null }) {
  const area = useRef<SVGSVGElement>(null)
  const size = useSize(area)
  const window = timeWindow.value
  const now = answer && window.live ? ms(answer.to) : ms(status.value?.now ?? iso(Date.now()))
  const frame = frameOf(now)
  const url = address('map/history', {
    from: iso(frame.from),
    to: iso(frame.to),
    step: `${frame.stepMs / 1000}s`,
    ...placeParams(),
  })
  const history = useAnswer<List<HistoryPoint>>(url, window.live ? REFRESH_MS : null)
  const kept = useSignal<HistoryPoint[]>([])
  const items = history.data.value?.items
  if (items && items !== kept.peek()) kept.value = items

  const given = window.live ? { from: now - window.lengthMs, to: now } : { from: window.from, to: window.to }
  const scrub = useScrub(area, frame, given)
  const shown = scrub.draft.value ?? given
  const width = size.value.width
  const at = (time: number) =>
    Math.max(0, Math.min(width, ((time - frame.from) / (frame.to - frame.from)) * width))
  const left = at(shown.from)
  const wide = Math.max(3, at(shown.to) - left)
  const points = kept.value.filter((point) => ms(point.time) >= frame.from && ms(point.time) < frame.to)
  return (
    <div class="dock">
      <svg
        ref={area}
        class="dock-svg"
        role="img"
        aria-label={`Time dock, ${summary(points, frame)}`}
        {...scrub.handlers}
      >
        {points.length === 0 && items !== undefined && (
          <text class="dock-empty" x={width / 2} y={46}>
            {status.value?.spans.stored === 0
              ? 'Requests and errors appear here'
              : 'No requests in this range'}
          </text>
        )}
        <g transform="translate(0 30)">
          <Bars points={points} frame={frame} width={width} now={now} />
          <Axis frame={frame} width={width} />
          {points.length > 0 && (
            <rect class="dock-window" x={left} y={-8} width={wide} height={HEIGHT + 8} rx={2} />
          )}
          <clipPath id="dock-clip">
            <rect x={left} y={-8} width={wide} height={HEIGHT + 8} />
          </clipPath>
          <g class="dock-lit" clip-path="url(#dock-clip)">
            <Bars points={points} frame={frame} width={width} now={now} />
          </g>
        </g>
        <text class="dock-label" x={Math.max(36, Math.min(width - 36, left + wide / 2))} y={15}>
          {window.live && !scrub.draft.value ? '' : `${clock(shown.from)} – ${clock(shown.to)}`}
        </text>
      </svg>
      <div
        class="dock-handle"
        role="slider"
        tabIndex={0}
        aria-label="Window shown"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round((100 * (shown.to - frame.from)) / (frame.to - frame.from))}
        aria-valuetext={span(shown.from, shown.to)}
        style={{ left: `${left + 16}px`, width: `${wide}px` }}
        onKeyDown={(event) => {
          const by = {
            ArrowLeft: -frame.stepMs,
            ArrowRight: frame.stepMs,
            PageUp: -(shown.to - shown.from),
            PageDown: shown.to - shown.from,
          }[event.key]
          if (by === undefined) return
          event.preventDefault()
          pin(shown.from + by, Math.min(shown.to + by, frame.to))
        }}
      />
      <Buttons shown={shown} />
    </div>
  )
}

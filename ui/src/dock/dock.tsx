// SPDX-License-Identifier: Apache-2.0
// The time dock: requests and errors over a range, what changed when, and the window shown. Drag it, its ends, or a
// new one; with shift a second one to compare with.
import { useMemo, useRef } from 'preact/hooks'
import type { HistoryPoint, MapAnswer } from '../api/types'
import { exact, plural } from '../base/format'
import { useSize } from '../base/size'
import { iso, ms, span, clock } from '../base/time'
import { pin, timeWindow } from '../base/window'
import { status } from '../frame/state'
import { comparedWith, type Stretch } from '../map/compare'
import { Buttons } from './buttons'
import { marksOf, type Mark } from './marks'
import { Axis, Bars, Bracket, HEIGHT, labelAt, Marks } from './picture'
import { frameOf, useHistory, type Frame } from './range'
import { useScrub } from './scrub'
import { useSteps } from './steps'

function summary(points: HistoryPoint[], marks: Mark[], frame: Frame): string {
  const requests = points.reduce((sum, point) => sum + point.requests, 0)
  const errors = points.reduce((sum, point) => sum + point.errors, 0)
  return `${span(frame.from, frame.to)}: ${exact(requests)} requests, ${exact(errors)} errors, ${plural(marks.length, 'change')}`
}

function Nothing({ width }: { width: number }) {
  return (
    <text class="dock-empty" x={width / 2} y={46}>
      {status.value?.spans.stored === 0 ? 'Requests and errors appear here' : 'No requests in this range'}
    </text>
  )
}

interface HandleProps {
  frame: Frame
  shown: Stretch
  left: number
  wide: number
}

/** The window for the keyboard: arrow keys move it by a bar, page keys by its length. */
function Handle({ frame, shown, left, wide }: HandleProps) {
  const length = shown.to - shown.from
  return (
    <div
      class="dock-handle"
      role="slider"
      tabIndex={0}
      aria-label="Window shown"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round((100 * (shown.to - frame.from)) / (frame.to - frame.from))}
      aria-valuetext={span(shown.from, shown.to)}
      style={{ transform: `translateX(${left}px)`, width: `${wide}px` }}
      onKeyDown={(event) => {
        const by = {
          ArrowLeft: -frame.stepMs,
          ArrowRight: frame.stepMs,
          PageUp: -length,
          PageDown: length,
        }[event.key]
        if (by === undefined) return
        event.preventDefault()
        pin(shown.from + by, Math.min(shown.to + by, frame.to))
      }}
    />
  )
}

/** The server's clock: of the answer shown, or of its status. */
function nowOf(answer: MapAnswer | null): number {
  if (answer && timeWindow.value.live) return ms(answer.to)
  return ms(status.value?.now ?? iso(Date.now()))
}

function label(shown: Stretch, dragging: boolean): string {
  return timeWindow.value.live && !dragging ? '' : `${clock(shown.from)} – ${clock(shown.to)}`
}

interface WindowsProps {
  shown: Stretch
  second: Stretch | null
  xOf: (time: number) => number
}

/** The window shown, and in a comparison the other: A is the earlier one. */
function Windows({ shown, second, xOf }: WindowsProps) {
  const bracket = (stretch: Stretch, letter: { letter?: 'A' | 'B' }) => {
    const left = xOf(stretch.from)
    return <Bracket left={left} wide={Math.max(3, xOf(stretch.to) - left)} {...letter} />
  }
  if (!second) return bracket(shown, {})
  const earlier = second.from <= shown.from
  return (
    <>
      {bracket(second, { letter: earlier ? 'A' : 'B' })}
      {bracket(shown, { letter: earlier ? 'B' : 'A' })}
    </>
  )
}

export function Dock({ answer }: { answer: MapAnswer | null }) {
  const area = useRef<SVGSVGElement>(null)
  const size = useSize(area)
  const window = timeWindow.value
  const now = nowOf(answer)
  const frame = frameOf(now)
  const { points, known } = useHistory(frame)
  const oldest = ms(status.value?.spans.oldest ?? iso(0))
  const marks = useMemo(() => marksOf(points, oldest), [points.length, points[0], points.at(-1), oldest])

  const given = window.live ? { from: now - window.lengthMs, to: now } : { from: window.from, to: window.to }
  const other = comparedWith()
  const scrub = useScrub(area, frame, given)
  const shown = scrub.draft.value ?? given
  const second = scrub.second.value ?? other
  const steps = useSteps(marks, frame, given, now)
  const width = size.value.width
  const xOf = (time: number) =>
    Math.max(0, Math.min(width, ((time - frame.from) / (frame.to - frame.from)) * width))
  const left = xOf(shown.from)
  const wide = Math.max(3, xOf(shown.to) - left)
  const text = second ? '' : label(shown, scrub.draft.value !== null)
  const times = text === '' ? null : labelAt(text, left + wide / 2, marks, xOf, width)
  const bars = useMemo(
    () => <Bars points={points} frame={frame} width={width} now={now} />,
    [points.length, points[0], points.at(-1), frame.from, frame.to, width],
  )
  return (
    <div class="dock">
      <svg
        ref={area}
        class="dock-svg"
        role="img"
        aria-label={`Time dock, ${summary(points, marks, frame)}`}
        {...scrub.handlers}
      >
        {points.length === 0 && known && <Nothing width={width} />}
        <g transform="translate(0 30)">
          {bars}
          <Axis frame={frame} width={width} />
          <clipPath id="dock-clip">
            <rect x={left} y={-8} width={wide} height={HEIGHT + 8} />
          </clipPath>
          <g class="dock-lit" clip-path="url(#dock-clip)">
            {bars}
          </g>
          {points.length > 0 && <Windows shown={shown} second={second} xOf={xOf} />}
        </g>
        <Marks marks={marks} xOf={xOf} width={width} reserved={times?.taken ?? null} />
        {times && (
          <text class="dock-label" x={times.x} y={18}>
            {text}
          </text>
        )}
      </svg>
      <Handle frame={frame} shown={shown} left={left} wide={wide} />
      <Buttons steps={steps} changes={marks.length} />
    </div>
  )
}

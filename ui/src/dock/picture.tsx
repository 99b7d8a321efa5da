// SPDX-License-Identifier: Apache-2.0
// The pieces of the dock's picture: bars, axis, marks, windows.
import type { HistoryPoint } from '../api/types'
import { ms, ticks, tickText } from '../base/time'
import { textWidth } from '../map/text'
import type { Mark } from './marks'
import type { Frame } from './range'

export const HEIGHT = 34

interface BarsProps {
  points: HistoryPoint[]
  frame: Frame
  width: number
  now: number
}

/** A burst that is far above the rest does not flatten it: bars end at this, and those that are higher are cut. */
const BURST = 5
const ABOVE = 1.6

export function highest(rates: number[]): number {
  const sorted = rates.filter((rate) => rate > 0).sort((a, b) => a - b)
  const top = Math.max(1, sorted.at(-1) ?? 1)
  const usual = sorted[Math.floor((sorted.length - 1) * 0.95)] ?? top
  const before = sorted.findLast((rate) => rate <= usual) ?? top
  return top > before * BURST ? before * ABOVE : top
}

export function Bars({ points, frame, width, now }: BarsProps) {
  // The step that is still being counted is as wide as it is old, and as high as its rate.
  const done = (point: HistoryPoint) => Math.max(0.1, Math.min(1, (now - ms(point.time)) / frame.stepMs))
  const rates = points.map((point) => point.requests / done(point))
  const most = highest(rates)
  const step = (frame.stepMs / (frame.to - frame.from)) * width
  const bar = (point: HistoryPoint, value: number) => {
    const x = ((ms(point.time) - frame.from) / (frame.to - frame.from)) * width
    const part = done(point)
    const high = value <= 0 ? 0 : Math.min(HEIGHT, Math.max(1, (value / part / most) * HEIGHT))
    return high === 0
      ? ''
      : `M${x.toFixed(1)} ${HEIGHT}V${(HEIGHT - high).toFixed(1)}h${Math.max(1, step * part - 1.5).toFixed(1)}V${HEIGHT}z`
  }
  const notch = (point: HistoryPoint) => {
    const x = ((ms(point.time) - frame.from) / (frame.to - frame.from)) * width - 1
    return `M${x.toFixed(1)} 9l${(step + 1).toFixed(1)} -4`
  }
  return (
    <>
      <path class="bar" d={points.map((point) => bar(point, point.requests)).join('')} />
      <path class="bar bad" d={points.map((point) => bar(point, point.errors)).join('')} />
      <path
        class="bar-cut"
        d={points.map((point, at) => ((rates[at] ?? 0) > most ? notch(point) : '')).join('')}
      />
    </>
  )
}

export function Axis({ frame, width }: { frame: Frame; width: number }) {
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

const SHAPES: Record<Mark['kind'], string> = {
  deploy: 'M0 7V-5H9L7-1.5L9 2H0',
  new: 'M0-5.5L5 0L0 5.5L-5 0Z',
  gone: 'M0-5.5L5 0L0 5.5L-5 0Z',
  errors: 'M0-5.5L5 0L0 5.5L-5 0Z',
}

const RANK: Record<Mark['kind'], number> = { errors: 0, new: 1, gone: 2, deploy: 3 }
const TALL = 66

interface Placed {
  mark: Mark
  x: number
  label: 'right' | 'left' | null
}

type Stretch = [number, number]

const LABEL_PAD = 6
const SHIFT = 6

/** Where the window's own times stand: over its middle, or as near to it as no mark is. */
export function labelAt(
  text: string,
  middle: number,
  marks: Mark[],
  xOf: (at: number) => number,
  width: number,
): { x: number; taken: Stretch } {
  const half = textWidth(text, 11) / 2 + LABEL_PAD
  const clamp = (x: number) => Math.max(half, Math.min(width - half, x))
  const places = marks.map((mark) => xOf(mark.at))
  const free = (x: number) => places.every((at) => Math.abs(at - x) > half + 7)
  let x = clamp(middle)
  for (let by = SHIFT; !free(x) && by < width; by += SHIFT) {
    const near = [clamp(middle - by), clamp(middle + by)].find(free)
    if (near !== undefined) x = near
  }
  return { x, taken: [x - half, x + half] }
}

/** Labels where there is room, the graver ones first; every mark has its line and its title. */
export function place(
  marks: Mark[],
  xOf: (at: number) => number,
  width: number,
  reserved: Stretch | null,
): Placed[] {
  const taken: Stretch[] = marks.map((mark) => [xOf(mark.at) - 7, xOf(mark.at) + 7])
  if (reserved) taken.push(reserved)
  const free = (from: number, to: number, own: number) =>
    from >= 0 &&
    to <= width &&
    taken.every(([left, right], index) => index === own || to <= left || from >= right)
  const order = marks
    .map((_, index) => index)
    .sort((a, b) => {
      const [left, right] = [marks[a], marks[b]]
      return left && right ? RANK[left.kind] - RANK[right.kind] || right.at - left.at : 0
    })
  const labels = new Map<number, Placed['label']>()
  for (const index of order) {
    const mark = marks[index]
    if (!mark) continue
    const x = xOf(mark.at)
    const wide = textWidth(mark.text, 11) + 6
    const right: Stretch = [x + 8, x + 12 + wide]
    const left: Stretch = [x - 12 - wide, x - 8]
    if (free(right[0], right[1], index)) {
      labels.set(index, 'right')
      taken.push(right)
    } else if (free(left[0], left[1], index)) {
      labels.set(index, 'left')
      taken.push(left)
    }
  }
  return marks.map((mark, index) => ({ mark, x: xOf(mark.at), label: labels.get(index) ?? null }))
}

interface MarksProps {
  marks: Mark[]
  xOf: (at: number) => number
  width: number
  /** Where other text stands. */
  reserved: Stretch | null
}

export function Marks({ marks, xOf, width, reserved }: MarksProps) {
  return (
    <g class="dock-marks">
      {place(marks, xOf, width, reserved).map(({ mark, x, label }, index) => (
        <g key={`${mark.kind} ${mark.at} ${index}`} class={`dock-mark ${mark.kind}`} data-mark={mark.at}>
          <path class="dock-mark-line" d={`M${x} 12V${TALL}`} />
          <path class="dock-mark-shape" d={SHAPES[mark.kind]} transform={`translate(${x} 9)`} />
          {label !== null && (
            <text class={label} x={label === 'right' ? x + 12 : x - 10} y={13}>
              {mark.text}
            </text>
          )}
          <rect class="node-hit" x={x - 7} y={0} width={14} height={20} />
          <title>{mark.title}</title>
        </g>
      ))}
    </g>
  )
}

/** A window as a bracket over the bars, in a comparison with its letter. */
export function Bracket({ left, wide, letter }: { left: number; wide: number; letter?: 'A' | 'B' }) {
  const middle = left + wide / 2
  return (
    <g class={`dock-window ${letter === 'A' ? 'other' : ''}`}>
      <rect x={left} y={-8} width={wide} height={HEIGHT + 8} rx={2} />
      {letter !== undefined && (
        <g transform={`translate(${middle} -8)`}>
          <rect class="dock-letter" x={-8} y={-8} width={16} height={16} rx={3} />
          <text y={4}>{letter}</text>
        </g>
      )}
    </g>
  )
}

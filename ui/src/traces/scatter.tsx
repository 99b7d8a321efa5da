// SPDX-License-Identifier: Apache-2.0
// The traces found, by time and duration. Drag over some to keep only these; click one to open it. The list
// below is its twin in words.
import { useSignal, useSignalEffect } from '@preact/signals'
import { useRef } from 'preact/hooks'
import type { TraceItem } from '../api/types'
import { duration } from '../base/format'
import { useSize, sharpen } from '../base/size'
import { token } from '../base/theme'
import { ms, ticks, tickText } from '../base/time'

interface Box {
  x0: number
  y0: number
  x1: number
  y1: number
}

interface Scale {
  from: number
  to: number
  low: number
  high: number
  left: number
  top: number
  width: number
  height: number
}

interface Props {
  items: TraceItem[]
  onOpen: (item: TraceItem) => void
  onBrush: (from: number, to: number, leastNs: number, mostNs: number) => void
}

const PAD = { left: 64, right: 16, top: 12, bottom: 22 }
const REACH = 8

function scaleOf(items: TraceItem[], width: number, height: number): Scale {
  const times = items.map((item) => ms(item.start))
  const lengths = items.map((item) => Math.max(1000, item.duration_ns))
  const from = Math.min(...times)
  const to = Math.max(...times)
  const pad = Math.max(1000, (to - from) * 0.02)
  return {
    from: from - pad,
    to: to + pad,
    low: Math.log10(Math.min(...lengths)) - 0.12,
    high: Math.log10(Math.max(...lengths)) + 0.12,
    left: PAD.left,
    top: PAD.top,
    width: Math.max(1, width - PAD.left - PAD.right),
    height: Math.max(1, height - PAD.top - PAD.bottom),
  }
}

function place(item: TraceItem, scale: Scale): { x: number; y: number } {
  const x = scale.left + ((ms(item.start) - scale.from) / (scale.to - scale.from)) * scale.width
  const level = (Math.log10(Math.max(1000, item.duration_ns)) - scale.low) / (scale.high - scale.low)
  return { x, y: scale.top + (1 - level) * scale.height }
}

function drawAxes(context: CanvasRenderingContext2D, scale: Scale): void {
  context.font = '11px system-ui, sans-serif'
  context.fillStyle = token('--muted')
  context.strokeStyle = token('--line')
  context.lineWidth = 1
  context.textBaseline = 'middle'
  context.textAlign = 'right'
  const few = scale.high - scale.low > 2.5
  for (let power = Math.floor(scale.low); power <= scale.high; power++) {
    for (const factor of few ? [1] : [1, 2, 5]) {
      const level = power + Math.log10(factor)
      if (level < scale.low || level > scale.high) continue
      const y =
        Math.round(scale.top + (1 - (level - scale.low) / (scale.high - scale.low)) * scale.height) + 0.5
      context.beginPath()
      context.moveTo(scale.left, y)
      context.lineTo(scale.left + scale.width, y)
      context.stroke()
      context.fillText(duration(factor * 10 ** power), scale.left - 8, y)
    }
  }
  context.textAlign = 'center'
  for (const at of ticks(scale.from, scale.to, Math.max(2, Math.floor(scale.width / 120)))) {
    const x = scale.left + ((at - scale.from) / (scale.to - scale.from)) * scale.width
    context.fillText(tickText(at, scale.from, scale.to), x, scale.top + scale.height + 13)
  }
}

function drawDots(
  context: CanvasRenderingContext2D,
  items: TraceItem[],
  scale: Scale,
  hovered: TraceItem | null,
): void {
  const colours = { good: token('--edge'), bad: token('--error'), accent: token('--accent') }
  for (const bad of [false, true]) {
    for (const item of items) {
      if (item.errors > 0 !== bad) continue
      const { x, y } = place(item, scale)
      const radius = Math.min(7, 2.6 + Math.log10(Math.max(1, item.spans)))
      context.beginPath()
      context.arc(x, y, radius, 0, 7)
      context.globalAlpha = bad ? 0.9 : 0.75
      context.fillStyle = bad ? colours.bad : colours.good
      context.fill()
      if (bad) {
        // Not by colour alone: a trace with errors has a ring around it.
        context.globalAlpha = 1
        context.beginPath()
        context.arc(x, y, radius + 2, 0, 7)
        context.strokeStyle = colours.bad
        context.lineWidth = 1
        context.stroke()
      }
    }
  }
  context.globalAlpha = 1
  if (!hovered) return
  const { x, y } = place(hovered, scale)
  context.beginPath()
  context.arc(x, y, 7, 0, 7)
  context.strokeStyle = colours.accent
  context.lineWidth = 2
  context.stroke()
}

function drawBrush(context: CanvasRenderingContext2D, box: Box): void {
  const [x, y] = [Math.min(box.x0, box.x1), Math.min(box.y0, box.y1)]
  const [width, height] = [Math.abs(box.x1 - box.x0), Math.abs(box.y1 - box.y0)]
  context.fillStyle = token('--accent-wash')
  context.globalAlpha = 0.6
  context.fillRect(x, y, width, height)
  context.globalAlpha = 1
  context.strokeStyle = token('--accent')
  context.lineWidth = 1
  context.strokeRect(x + 0.5, y + 0.5, width, height)
}

export function Scatter({ items, onOpen, onBrush }: Props) {
  const root = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const size = useSize(root)
  const brush = useSignal<Box | null>(null)
  const hovered = useSignal<TraceItem | null>(null)
  const shown = useSignal(items)
  if (shown.peek() !== items) shown.value = items

  useSignalEffect(() => {
    const { width, height } = size.value
    const list = shown.value
    const context = canvas.current && width > 0 ? sharpen(canvas.current, width, height) : null
    if (!context || list.length === 0) return
    const scale = scaleOf(list, width, height)
    drawAxes(context, scale)
    drawDots(context, list, scale, hovered.value)
    if (brush.value) drawBrush(context, brush.value)
  })

  const at = (event: PointerEvent) => {
    const box = root.current?.getBoundingClientRect()
    return { x: event.clientX - (box?.left ?? 0), y: event.clientY - (box?.top ?? 0) }
  }
  const scale = () => scaleOf(items, size.peek().width, size.peek().height)
  const under = (x: number, y: number) => {
    const map = scale()
    let best: TraceItem | null = null
    let least = REACH * REACH
    for (const item of items) {
      const dot = place(item, map)
      const distance = (dot.x - x) ** 2 + (dot.y - y) ** 2
      if (distance < least) [best, least] = [item, distance]
    }
    return best
  }
  const finish = (box: Box) => {
    const map = scale()
    const time = (x: number) => map.from + ((x - map.left) / map.width) * (map.to - map.from)
    const length = (y: number) => 10 ** (map.low + (1 - (y - map.top) / map.height) * (map.high - map.low))
    const [left, right] = [Math.min(box.x0, box.x1), Math.max(box.x0, box.x1)]
    const [top, bottom] = [Math.min(box.y0, box.y1), Math.max(box.y0, box.y1)]
    onBrush(time(left), time(right), length(bottom), length(top))
  }
  const hover = hovered.value
  return (
    <div
      class="scatter"
      ref={root}
      style={hover ? { cursor: 'pointer' } : undefined}
      title={
        hover
          ? `${hover.root_service ?? ''} ${hover.root_name ?? ''}, ${duration(hover.duration_ns)}`
          : undefined
      }
      onPointerDown={(event) => {
        if (event.button !== 0) return
        const { x, y } = at(event)
        brush.value = { x0: x, y0: y, x1: x, y1: y }
        event.currentTarget.setPointerCapture(event.pointerId)
      }}
      onPointerMove={(event) => {
        const { x, y } = at(event)
        if (brush.value) brush.value = { ...brush.value, x1: x, y1: y }
        else hovered.value = under(x, y)
      }}
      onPointerLeave={() => (hovered.value = null)}
      onPointerUp={(event) => {
        const box = brush.value
        brush.value = null
        if (!box) return
        const { x, y } = at(event)
        if (Math.hypot(box.x1 - box.x0, box.y1 - box.y0) > 6) finish(box)
        else {
          const item = under(x, y)
          if (item) onOpen(item)
        }
      }}
    >
      <canvas ref={canvas} role="img" aria-label={`Durations of the ${items.length} traces listed below`} />
    </div>
  )
}

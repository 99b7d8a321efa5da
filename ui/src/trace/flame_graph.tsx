// SPDX-License-Identifier: Apache-2.0
// The flame graph on a canvas of the size of the screen; only what is in sight is painted.
import { useSignal, useSignalEffect } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { duration } from '../base/format'
import { sharpen, useSize } from '../base/size'
import { flameOf, LANE, paintFlame, spanAt, startOf, type FlameScene } from './flame'
import { axisTicks, type Part, type Row, type Trace } from './model'
import { look } from './paint'

interface FlameProps {
  trace: Trace
  selected: number | null
  part: Part
  critical: boolean
  skew: boolean
  colours: Map<string, string>
  onSelect: (row: Row) => void
  onPart: (part: Part) => void
}

const PAD = 16

function Axis({ part, width }: { part: Part; width: number }) {
  return (
    <svg class="flame-axis" width="100%" height={24} aria-hidden="true">
      {axisTicks(part, Math.max(2, width / 110)).map((at) => {
        const x = PAD + ((at - part.from) / (part.to - part.from)) * width
        return (
          <text key={at} x={x} y={15} text-anchor={at === 0 ? 'start' : 'middle'}>
            {at === 0 ? '0' : duration(at)}
          </text>
        )
      })}
    </svg>
  )
}

function useZoomWheel(root: { current: HTMLElement | null }, { part, onPart }: FlameProps, width: number) {
  useEffect(() => {
    const element = root.current
    if (!element) return
    const wheel = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey) return
      event.preventDefault()
      const x = event.clientX - element.getBoundingClientRect().left - PAD
      const at = part.from + (x / Math.max(1, width)) * (part.to - part.from)
      const by = Math.exp(event.deltaY / 300)
      onPart({ from: at - (at - part.from) * by, to: at + (part.to - at) * by })
    }
    element.addEventListener('wheel', wheel, { passive: false })
    return () => {
      element.removeEventListener('wheel', wheel)
    }
  })
}

export function FlameGraph(props: FlameProps) {
  const { trace, part, skew, selected, colours, critical } = props
  const scroller = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const size = useSize(scroller)
  const top = useSignal(0)
  const hovered = useSignal<Row | null>(null)
  const flame = useMemo(() => flameOf(trace, skew), [trace, skew])
  const width = Math.max(1, size.value.width - 2 * PAD - 1)
  const { height } = size.value
  const scene: FlameScene = { flame, part, skew, width, top: 0, height, colours, selected, critical }
  const drawn = useSignal(scene)
  drawn.value = scene

  useSignalEffect(() => {
    const now = { ...drawn.value, top: top.value }
    const context = canvas.current && now.height > 0 ? sharpen(canvas.current, now.width, now.height) : null
    if (context) paintFlame(context, now, look())
  })
  useZoomWheel(scroller, props, width)
  useEffect(() => {
    const element = scroller.current
    if (!element || selected === null) return
    const y = (flame.laneOf[selected] ?? 0) * LANE
    if (y < element.scrollTop || y > element.scrollTop + element.clientHeight - LANE)
      element.scrollTop = y - element.clientHeight / 2
  }, [selected, flame])

  const under = (event: MouseEvent): Row | null => {
    const box = canvas.current?.getBoundingClientRect()
    if (!box) return null
    return spanAt({ ...scene, top: top.peek() }, event.clientX - box.left, event.clientY - box.top)
  }
  const hover = hovered.value
  return (
    <div class="flame">
      <Axis part={part} width={width} />
      <div
        ref={scroller}
        class="flame-scroll"
        tabIndex={0}
        role="group"
        aria-label={`Flame graph of ${trace.rows.length} spans. j and k go from span to span.`}
        title={hover ? `${hover.span.service} ${hover.span.name}, ${duration(hover.duration)}` : undefined}
        onScroll={(event) => (top.value = event.currentTarget.scrollTop)}
        onPointerMove={(event) => (hovered.value = under(event))}
        onClick={(event) => {
          const row = under(event)
          if (row) props.onSelect(row)
        }}
        onDblClick={(event) => {
          const row = under(event)
          if (!row) return
          const from = startOf(row, skew)
          const room = row.duration * 0.01
          props.onPart({ from: from - room, to: from + row.duration + room })
        }}
      >
        <div class="flame-space" style={{ height: `${flame.lanes.length * LANE + 8}px` }}>
          <canvas
            ref={canvas}
            class="flame-canvas"
            aria-hidden="true"
            style={{ width: `${width}px`, height: `${height}px` }}
          />
        </div>
      </div>
    </div>
  )
}

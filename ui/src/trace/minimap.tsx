// SPDX-License-Identifier: Apache-2.0
// The whole trace in 44 pixels, with the part that the waterfall shows. Drag the part, its ends, or a new one.
import { useSignalEffect, useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { duration } from '../base/format'
import { sharpen, useSize } from '../base/size'
import { token } from '../base/theme'
import type { Part, Row, Trace } from './model'

interface Props {
  trace: Trace
  part: Part
  skew: boolean
  colours: Map<string, string>
  onPart: (part: Part) => void
}

const GRIP = 8
const PAD = 16

type Drag = { what: 'from' | 'to' | 'move' | 'new'; at: number; part: Part }

function drawn(drag: Drag, at: number, length: number): Part {
  const by = at - drag.at
  const { from, to } = drag.part
  const least = length / 5000
  const clamp = (ns: number) => Math.max(0, Math.min(length, ns))
  if (drag.what === 'from') return { from: Math.min(clamp(at), to - least), to }
  if (drag.what === 'to') return { from, to: Math.max(clamp(at), from + least) }
  if (drag.what === 'new')
    return { from: clamp(Math.min(drag.at, at)), to: clamp(Math.max(drag.at, at, drag.at + least)) }
  const start = Math.max(0, Math.min(from + by, length - (to - from)))
  return { from: start, to: start + (to - from) }
}

/** A strip of 40 pixels shows no more rows than these: of more, the longest of each neighbourhood and all errors. */
const DRAWN_MAX = 4000

function thinned(rows: Row[]): Row[] {
  if (rows.length <= DRAWN_MAX) return rows
  const each = Math.ceil(rows.length / DRAWN_MAX)
  const out: Row[] = []
  for (let at = 0; at < rows.length; at += each) {
    let longest = rows[at]
    for (let next = at; next < Math.min(rows.length, at + each); next++) {
      const row = rows[next]
      if (row?.error === true) out.push(row)
      else if (row && (!longest || row.duration > longest.duration)) longest = row
    }
    if (longest) out.push(longest)
  }
  return out
}

export function Minimap({ trace, part, skew, colours, onPart }: Props) {
  const root = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const size = useSize(root)
  const drag = useRef<Drag | null>(null)
  const inputs = useSignal({ trace, skew, colours })
  if (inputs.peek().trace !== trace || inputs.peek().skew !== skew || inputs.peek().colours !== colours) {
    inputs.value = { trace, skew, colours }
  }

  useSignalEffect(() => {
    const { width, height } = size.value
    const now = inputs.value
    const context = canvas.current && width > 0 ? sharpen(canvas.current, width, height) : null
    if (!context) return
    const { rows, length } = now.trace
    const room = width - PAD * 2
    const error = token('--error')
    const high = Math.max(1, Math.min(3, (height - 8) / rows.length))
    for (const row of thinned(rows)) {
      const x = PAD + ((row.start + (now.skew ? row.skew : 0)) / length) * room
      const y = 4 + (row.index / rows.length) * (height - 8)
      context.fillStyle = row.error ? error : (now.colours.get(row.span.service) ?? '')
      context.fillRect(
        x,
        y,
        Math.max(1, (row.duration / length) * room),
        row.error ? Math.max(1.5, high) : Math.min(1.5, high),
      )
    }
  })

  const width = Math.max(1, size.value.width - PAD * 2)
  const timeAt = (event: PointerEvent) => {
    const box = root.current?.getBoundingClientRect()
    return ((event.clientX - (box?.left ?? 0) - PAD) / width) * trace.length
  }
  const whole = part.from <= 0 && part.to >= trace.length
  const start = (event: PointerEvent) => {
    if (event.button !== 0) return
    const at = timeAt(event)
    const grip = (GRIP / width) * trace.length
    const what =
      Math.abs(at - part.from) < grip
        ? 'from'
        : Math.abs(at - part.to) < grip
          ? 'to'
          : whole || at < part.from || at > part.to
            ? 'new'
            : 'move'
    drag.current = { what, at, part }
    root.current?.setPointerCapture(event.pointerId)
  }
  const x = PAD + (part.from / trace.length) * width
  const end = PAD + (part.to / trace.length) * width
  const nudge = (event: KeyboardEvent, which: 'from' | 'to') => {
    const step = (part.to - part.from) / 20
    const by = event.key === 'ArrowLeft' ? -step : event.key === 'ArrowRight' ? step : 0
    if (by === 0) return
    event.preventDefault()
    onPart(drawn({ what: which, at: part[which], part }, part[which] + by, trace.length))
  }
  return (
    <div
      class="minimap"
      ref={root}
      onPointerDown={start}
      onPointerMove={(event) => {
        if (drag.current) onPart(drawn(drag.current, timeAt(event), trace.length))
      }}
      onPointerUp={(event) => {
        const now = drag.current
        drag.current = null
        // A click, not a drag: leave the part as it was.
        if (now?.what === 'new' && Math.abs(timeAt(event) - now.at) < (3 / width) * trace.length)
          onPart(now.part)
      }}
      onDblClick={() => {
        onPart({ from: 0, to: trace.length })
      }}
    >
      <canvas ref={canvas} aria-hidden="true" />
      <div class="minimap-off" style={{ left: `${PAD}px`, width: `${Math.max(0, x - PAD)}px` }} />
      <div class="minimap-off" style={{ left: `${end}px`, right: `${PAD}px` }} />
      <div class="minimap-part" style={{ left: `${x}px`, width: `${Math.max(2, end - x)}px` }} />
      {(['from', 'to'] as const).map((which) => (
        <div
          key={which}
          class="minimap-grip"
          role="slider"
          tabIndex={0}
          aria-label={which === 'from' ? 'Shown from' : 'Shown to'}
          aria-valuemin={0}
          aria-valuemax={Math.round(trace.length / 1e3)}
          aria-valuenow={Math.round(part[which] / 1e3)}
          aria-valuetext={duration(part[which])}
          style={{ left: `${(which === 'from' ? x : end) - 4}px` }}
          onKeyDown={(event) => {
            nudge(event, which)
          }}
        />
      ))}
    </div>
  )
}

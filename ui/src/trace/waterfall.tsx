// SPDX-License-Identifier: Apache-2.0
// The tree and its bars. Rows and canvas cover the same stretch of the scrolled content, some rows more than
// can be seen, so the browser scrolls both together and they are drawn anew only every few rows.
import { useSignal, useSignalEffect, type ReadonlySignal } from '@preact/signals'
import type { VNode } from 'preact'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { duration } from '../base/format'
import { sharpen, useSize } from '../base/size'
import { ticksOf, type Part, type Row, type Tick, type Trace } from './model'
import { look, paint, ROW } from './paint'
import { TreeRow } from './rows'

const STRIDE = 12
const RIGHT = 16
const INDENT = 14
/** Of the names' room, the most that depth takes of it. */
const INDENT_PART = 0.45

export interface WaterfallProps {
  trace: Trace
  rows: ReadonlySignal<Row[]>
  folded: ReadonlySignal<ReadonlySet<string>>
  selected: number | null
  part: Part
  critical: boolean
  skew: boolean
  colours: Map<string, string>
  onSelect: (row: Row) => void
  onFold: (row: Row) => void
  onPart: (part: Part) => void
}

export function nameWidthFor(width: number): number {
  return width < 640 ? Math.round(width * 0.5) : Math.min(352, Math.round(width * 0.4))
}

/** Room that a word needs beside the next, in pixels. */
const WORD = 7
const WORD_GAP = 4
const GAP_WORD = 16

function Axis({ trace, part, left, width }: { trace: Trace; part: Part; left: number; width: number }) {
  const room = Math.max(1, width - left - RIGHT)
  const place = (at: number) => left + ((at - part.from) / (part.to - part.from)) * room
  const inside = (trace.gaps ?? []).filter((gap) => gap.to > part.from && gap.from < part.to)
  const ticks = ticksOf(trace, part, Math.max(2, room / 100))
  // Of words that would touch, the stronger stays: where a stretch begins, how long a gap is, then times.
  const taken: [number, number][] = []
  const fits = (from: number, to: number) => {
    if (from < left - WORD_GAP || to > width) return false
    if (taken.some(([a, b]) => to + WORD_GAP > a && from - WORD_GAP < b)) return false
    taken.push([from, to])
    return true
  }
  const fitsTick = (tick: Tick) => {
    const wide = tick.text.length * WORD
    const from = place(tick.at) - (tick.at === 0 || tick.strong ? 0 : wide / 2)
    return trace.ticks ? fits(from, from + wide) : place(tick.at) <= width - 30
  }
  const strong = ticks.filter((tick) => tick.strong && fitsTick(tick))
  const gaps = inside.filter((gap) => {
    const middle = place((gap.from + gap.to) / 2)
    return fits(middle - GAP_WORD, middle + GAP_WORD)
  })
  const shown = [...strong, ...ticks.filter((tick) => !tick.strong && fitsTick(tick))]
  return (
    <div class="wf-head">
      <span class="wf-head-name" style={{ width: `${left - 8}px` }}>
        Service and operation
      </span>
      <svg width={width} height={24} aria-hidden="true">
        {gaps.map((gap) => (
          <text key={gap.from} class="wf-gap" x={place((gap.from + gap.to) / 2)} y={15}>
            {duration(gap.ns)}
          </text>
        ))}
        {shown.map((tick) => (
          <text
            key={tick.at}
            class={tick.strong ? 'strong' : undefined}
            x={place(tick.at)}
            y={15}
            text-anchor={tick.at === 0 || tick.strong ? 'start' : 'middle'}
          >
            {tick.text}
          </text>
        ))}
      </svg>
    </div>
  )
}

/** Scrolls the selected row into the middle when it is out of sight. */
function useReveal(scroller: { current: HTMLElement | null }, rows: Row[], selected: number | null): void {
  useEffect(() => {
    const element = scroller.current
    if (!element || selected === null) return
    const at = rows.findIndex((row) => row.index === selected)
    if (at < 0) return
    const top = at * ROW
    if (top < element.scrollTop + ROW) element.scrollTop = Math.max(0, top - ROW * 2)
    else if (top > element.scrollTop + element.clientHeight - ROW * 2) {
      // Near the edge it moves by what is needed; from afar (a link, a URL) to the middle.
      const far = top > element.scrollTop + element.clientHeight * 1.5
      element.scrollTop = far ? top - element.clientHeight / 2 : top - element.clientHeight + ROW * 3
    }
  }, [selected, rows])
}

/** Ctrl or Cmd and the wheel (or a pinch) zoom in time around the pointer. */
function useZoomWheel(
  scroller: { current: HTMLElement | null },
  part: Part,
  left: number,
  room: number,
  onPart: (part: Part) => void,
): void {
  useEffect(() => {
    const element = scroller.current
    if (!element) return
    const wheel = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey) return
      event.preventDefault()
      const x = event.clientX - element.getBoundingClientRect().left - left
      const at = part.from + (Math.max(0, x) / Math.max(1, room)) * (part.to - part.from)
      const by = Math.exp(event.deltaY / 300)
      onPart({ from: at - (at - part.from) * by, to: at + (part.to - at) * by })
    }
    element.addEventListener('wheel', wheel, { passive: false })
    return () => {
      element.removeEventListener('wheel', wheel)
    }
  })
}

/** Rows by index, kept while nothing but the scroll changes: the same object tells Preact to leave a row alone. */
function useRows(props: WaterfallProps, indent: number, nameWidth: number) {
  const { trace, colours, selected } = props
  const rows = props.rows.value
  const folded = props.folded.value
  const latest = useRef(props)
  latest.current = props
  const kept = useMemo(
    () => new Map<number, VNode>(),
    [trace, rows, folded, selected, colours, indent, nameWidth],
  )
  return (row: Row, at: number) => {
    const before = kept.get(row.index)
    if (before) return before
    const drawn = (
      <TreeRow
        key={row.index}
        row={row}
        at={at}
        indent={indent}
        selected={row.index === selected}
        folded={folded.has(row.span.span_id)}
        colour={colours.get(row.span.service) ?? ''}
        nameWidth={nameWidth}
        onSelect={(chosen) => {
          latest.current.onSelect(chosen)
        }}
        onFold={(chosen) => {
          latest.current.onFold(chosen)
        }}
      />
    )
    kept.set(row.index, drawn)
    return drawn
  }
}

export function Waterfall(props: WaterfallProps) {
  const { trace, part, selected } = props
  const scroller = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const size = useSize(scroller)
  const first = useSignal(0)
  const rows = props.rows.value
  const { width, height } = size.value
  const inner = Math.max(0, width - 1)
  const nameWidth = nameWidthFor(inner)
  const left = nameWidth + 8
  const last = Math.min(rows.length, first.value + Math.ceil(height / ROW) + STRIDE * 3)
  const indent = Math.min(INDENT, (nameWidth * INDENT_PART) / Math.max(1, trace.maxDepth))
  const drawn = useSignal<WaterfallProps & { left: number; last: number; width: number; indent: number }>({
    ...props,
    left,
    last,
    width: inner,
    indent,
  })
  drawn.value = { ...props, left, last, width: inner, indent }

  useReveal(scroller, rows, selected)
  const follow = () => {
    const top = scroller.current?.scrollTop ?? 0
    first.value = Math.max(0, (Math.floor(top / ROW / STRIDE) - 1) * STRIDE)
  }
  useEffect(follow, [rows.length])

  useSignalEffect(() => {
    const now = drawn.value
    const from = first.value
    const count = Math.max(0, now.last - from)
    const context = canvas.current && now.width > 0 ? sharpen(canvas.current, now.width, count * ROW) : null
    if (!context) return
    paint(
      context,
      {
        trace: now.trace,
        rows: now.rows.value,
        first: from,
        last: now.last,
        part: now.part,
        left: now.left,
        right: now.width - RIGHT,
        indent: now.indent,
        critical: now.critical,
        skew: now.skew,
        colours: now.colours,
      },
      look(),
    )
  })

  const drawnRow = useRows(props, indent, nameWidth)
  useZoomWheel(scroller, part, left, inner - left - RIGHT, props.onPart)
  const shown = rows.slice(first.value, last)
  const current = selected === null ? undefined : trace.rows[selected]
  const top = first.value * ROW
  return (
    <div class="wf">
      <Axis trace={trace} part={part} left={left} width={inner} />
      <div
        ref={scroller}
        class="wf-scroll"
        role="tree"
        tabIndex={0}
        aria-label={`Spans of the trace, ${rows.length} rows`}
        {...(current ? { 'aria-activedescendant': `row-${current.span.span_id}-${current.index}` } : {})}
        onScroll={follow}
      >
        <div class="wf-space" role="presentation" style={{ height: `${rows.length * ROW}px` }}>
          {shown.map((row, offset) => drawnRow(row, first.value + offset))}
          <canvas
            ref={canvas}
            class="wf-canvas"
            aria-hidden="true"
            style={{
              transform: `translateY(${top}px)`,
              width: `${inner}px`,
              height: `${Math.max(0, last - first.value) * ROW}px`,
            }}
          />
        </div>
      </div>
    </div>
  )
}

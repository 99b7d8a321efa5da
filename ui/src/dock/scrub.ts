// SPDX-License-Identifier: Apache-2.0
// Dragging in the time dock: the window as a whole, one of its ends, or a new window; a click centres it. With shift
// a second window is drawn, to compare with. A click on a mark puts the window where that change was.
import { useSignal, type Signal } from '@preact/signals'
import type { RefObject } from 'preact'
import { useRef } from 'preact/hooks'
import { set } from '../base/route'
import { pin, pinnedPatch } from '../base/window'
import { vsText, type Stretch } from '../map/compare'

interface Drag extends Stretch {
  what: 'move' | 'from' | 'to' | 'new' | 'second'
  grabbed: number
  moved: boolean
  sent: number
  /** The moment of the mark that was pressed. */
  mark: number | null
}

const GRIP_PX = 6
const DRAG_PX = 3
/** While dragging the map follows this often: seldom enough for the server, often enough for the eye. */
const FOLLOW_MS = 120
const GRAIN_MS = 60e3

function grabbed(stretch: Stretch, time: number, perPixel: number): Drag['what'] {
  if (Math.abs(time - stretch.from) <= GRIP_PX * perPixel) return 'from'
  if (Math.abs(time - stretch.to) <= GRIP_PX * perPixel) return 'to'
  return time > stretch.from && time < stretch.to ? 'move' : 'new'
}

function whole(time: number): number {
  return Math.round(time / GRAIN_MS) * GRAIN_MS
}

function dragged(drag: Drag, time: number, range: Stretch): Stretch {
  const by = time - drag.grabbed
  if (drag.what === 'new' || drag.what === 'second')
    return { from: whole(Math.min(drag.grabbed, time)), to: whole(Math.max(drag.grabbed, time)) }
  if (drag.what === 'from') return { from: Math.min(whole(drag.from + by), drag.to - GRAIN_MS), to: drag.to }
  if (drag.what === 'to') return { from: drag.from, to: Math.max(whole(drag.to + by), drag.from + GRAIN_MS) }
  const length = drag.to - drag.from
  const from = Math.max(range.from, Math.min(whole(drag.from + by), range.to - length))
  return { from, to: from + length }
}

function markAt(event: Event): number | null {
  const mark = (event.target as Element).closest('[data-mark]')?.getAttribute('data-mark')
  return mark === null || mark === undefined ? null : Number(mark)
}

export function useScrub(area: RefObject<Element | null>, range: Stretch, given: Stretch) {
  const draft: Signal<Stretch | null> = useSignal(null)
  const second: Signal<Stretch | null> = useSignal(null)
  const drag = useRef<Drag | null>(null)
  const box = () => area.current?.getBoundingClientRect() ?? new DOMRect(0, 0, 1, 1)
  const perPixel = () => (range.to - range.from) / Math.max(1, box().width)
  const timeOf = (event: PointerEvent) => range.from + (event.clientX - box().left) * perPixel()

  const handlers = {
    onPointerDown: (event: PointerEvent) => {
      if (event.button !== 0) return
      const time = timeOf(event)
      drag.current = {
        ...given,
        what: event.shiftKey ? 'second' : grabbed(given, time, perPixel()),
        grabbed: time,
        moved: false,
        sent: 0,
        mark: markAt(event),
      }
      area.current?.setPointerCapture(event.pointerId)
    },
    onPointerMove: (event: PointerEvent) => {
      const now = drag.current
      if (!now) return
      const time = timeOf(event)
      if (!now.moved && Math.abs(time - now.grabbed) < DRAG_PX * perPixel()) return
      now.moved = true
      if (now.what === 'second') {
        second.value = dragged(now, time, range)
        return
      }
      draft.value = dragged(now, time, range)
      if (performance.now() - now.sent > FOLLOW_MS) {
        now.sent = performance.now()
        pin(draft.value.from, draft.value.to, true)
      }
    },
    onPointerUp: (event: PointerEvent) => {
      const now = drag.current
      drag.current = null
      const end = draft.value
      const other = second.value
      draft.value = null
      second.value = null
      if (!now) return
      if (other && other.to > other.from) {
        // The window shown stays where it is from now on: one cannot compare with what moves.
        set({ ...pinnedPatch(given.from, given.to), vs: vsText(other), show: null, node: null, edge: null })
        return
      }
      if (end) {
        pin(end.from, end.to)
        return
      }
      const mark = now.mark
      if (mark !== null) {
        pin(mark, Math.min(mark + given.to - given.from, range.to))
        return
      }
      if (now.what !== 'new') return
      const length = given.to - given.from
      const from = Math.max(range.from, Math.min(whole(timeOf(event) - length / 2), range.to - length))
      pin(from, from + length)
    },
    onPointerCancel: () => {
      drag.current = null
      draft.value = null
      second.value = null
    },
  }
  return { draft, second, handlers }
}

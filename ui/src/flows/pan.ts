// SPDX-License-Identifier: Apache-2.0
// Dragging moves the flow's picture.
import { useRef } from 'preact/hooks'
import type { Viewport } from '../map/viewport'

const DRAG_FROM = 4

export function usePan(viewport: Viewport) {
  const drag = useRef<{ x: number; y: number; moved: boolean } | null>(null)
  return {
    onPointerDown: (event: PointerEvent) => {
      if (event.button === 0) drag.current = { x: event.clientX, y: event.clientY, moved: false }
    },
    onPointerMove: (event: PointerEvent) => {
      const at = drag.current
      if (!at) return
      const [dx, dy] = [event.clientX - at.x, event.clientY - at.y]
      if (!at.moved && Math.hypot(dx, dy) < DRAG_FROM) return
      drag.current = { x: event.clientX, y: event.clientY, moved: true }
      viewport.panBy(dx, dy)
    },
    onPointerUp: () => {
      drag.current = null
    },
    onPointerLeave: () => {
      drag.current = null
    },
  }
}

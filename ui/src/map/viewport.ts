// SPDX-License-Identifier: Apache-2.0
// Pan and zoom. Where the reader has moved is part of the address (`at`); without it the whole is shown.
//
// While the view moves, one layer is transformed and nothing is drawn anew: panning shifts it, zooming scales
// what was drawn. Only when it rests (or has been scaled so far that it blurs) is the picture drawn for its zoom.
import { useSignal, type Signal } from '@preact/signals'
import type { RefObject } from 'preact'
import { useEffect, useLayoutEffect } from 'preact/hooks'
import { param, set } from '../base/route'
import type { Size } from '../base/size'

export interface View {
  x: number
  y: number
  zoom: number
}

export interface Area {
  x: number
  y: number
  width: number
  height: number
}

const LEAST = 0.02
/** A picture that would be smaller than this when all of it is shown begins at a part that can be read. */
const READABLE = 0.4
const FIRST = 0.6
const MOST = 3
const SETTLE_MS = 220
/** Scaled by more than this, what was drawn is too coarse or too costly and is drawn anew in between. */
const MOST_SCALED = 2.5

/** Room for what floats above the picture: switches, legend, zoom. */
const MARGIN = { top: 60, right: 24, bottom: 52, left: 24 }

export function fitted(area: Area, size: Size): View {
  const width = size.width - MARGIN.left - MARGIN.right
  const height = size.height - MARGIN.top - MARGIN.bottom
  if (width <= 0 || height <= 0 || area.width <= 0 || area.height <= 0)
    return { x: MARGIN.left, y: MARGIN.top, zoom: 1 }
  const zoom = Math.max(LEAST, Math.min(1, width / area.width, height / area.height))
  return {
    x: MARGIN.left + (width - area.width * zoom) / 2 - area.x * zoom,
    y: MARGIN.top + (height - area.height * zoom) / 2 - area.y * zoom,
    zoom,
  }
}

/** Where a picture begins: all of it, or if that cannot be read, what is around `anchor`. */
export function beginning(area: Area, size: Size, anchor: Area): View {
  const all = fitted(area, size)
  if (all.zoom >= READABLE || size.width === 0) return all
  const x = size.width * 0.4 - (anchor.x + anchor.width / 2) * FIRST
  const y = size.height / 2 - (anchor.y + anchor.height / 2) * FIRST
  // Rather no empty room beside the picture than the anchor in the middle.
  const most = MARGIN.left - area.x * FIRST
  const least = size.width - MARGIN.right - (area.x + area.width) * FIRST
  const top = MARGIN.top - area.y * FIRST
  const bottom = size.height - MARGIN.bottom - (area.y + area.height) * FIRST
  return {
    x: Math.min(most, Math.max(least, x)),
    y: Math.min(top, Math.max(Math.min(top, bottom), y)),
    zoom: FIRST,
  }
}

function fromAddress(): View | null {
  const parts = (param('at') ?? '').split(',').map(Number)
  const [x, y, zoom] = parts
  if (parts.length !== 3 || x === undefined || y === undefined || zoom === undefined) return null
  return parts.every(Number.isFinite) ? { x, y, zoom: clamp(zoom) } : null
}

function clamp(zoom: number): number {
  return Math.max(LEAST, Math.min(MOST, zoom))
}

function spell({ x, y, zoom }: View): string {
  return `${Math.round(x)},${Math.round(y)},${Number(zoom.toPrecision(3))}`
}

export interface Viewport {
  view: Signal<View>
  /** The zoom for which the picture is drawn. */
  drawn: Signal<number>
  moving: Signal<boolean>
  zoomBy: (factor: number, x?: number, y?: number) => void
  panBy: (dx: number, dy: number) => void
  fit: () => void
  /** Moves as little as needed to bring an area into sight. */
  reveal: (area: Area) => void
}

/** The wheel zooms around the pointer; with shift, or a touchpad's sideways move, it pans. */
function useWheel(
  ref: RefObject<Element | null>,
  panBy: Viewport['panBy'],
  zoomBy: Viewport['zoomBy'],
): void {
  useEffect(() => {
    const element = ref.current
    if (!element) return
    // Not passive: the page behind must not scroll or zoom as well.
    const wheel = (event: Event) => {
      if (!(event instanceof WheelEvent)) return
      event.preventDefault()
      const box = element.getBoundingClientRect()
      const unit = event.deltaMode === 1 ? 16 : 1
      if (event.shiftKey) panBy(-(event.deltaX + event.deltaY) * unit, 0)
      else zoomBy(Math.exp((-event.deltaY * unit) / 400), event.clientX - box.left, event.clientY - box.top)
    }
    element.addEventListener('wheel', wheel, { passive: false })
    return () => {
      element.removeEventListener('wheel', wheel)
    }
  })
}

function useView(area: Area, size: Size, anchor: Area) {
  const view = useSignal<View>({ x: 0, y: 0, zoom: 1 })
  const drawn = useSignal(1)
  const moving = useSignal(false)
  const timer = useSignal<ReturnType<typeof setTimeout> | undefined>(undefined)

  // The address decides; when it says nothing, all is shown.
  const wanted = param('at')
  useLayoutEffect(() => {
    if (moving.value) return
    view.value = fromAddress() ?? beginning(area, size, anchor)
    drawn.value = view.value.zoom
  }, [wanted, area.x, area.y, area.width, area.height, size.width, size.height])
  useEffect(
    () => () => {
      clearTimeout(timer.value)
    },
    [],
  )

  const rest = () => {
    clearTimeout(timer.value)
    moving.value = false
    drawn.value = view.value.zoom
  }
  const put = (next: View) => {
    view.value = next
    moving.value = true
    const scaled = next.zoom / drawn.value
    if (scaled > MOST_SCALED || scaled < 1 / MOST_SCALED) drawn.value = next.zoom
    clearTimeout(timer.value)
    timer.value = setTimeout(() => {
      rest()
      set({ at: spell(view.value) }, true)
    }, SETTLE_MS)
  }
  return { view, drawn, moving, put, rest }
}

export function useViewport(ref: RefObject<Element | null>, area: Area, size: Size, anchor: Area): Viewport {
  const { view, drawn, moving, put, rest } = useView(area, size, anchor)
  const panBy = (dx: number, dy: number) => {
    put({ ...view.value, x: view.value.x + dx, y: view.value.y + dy })
  }
  const zoomBy = (factor: number, x = size.width / 2, y = size.height / 2) => {
    const { x: left, y: top, zoom } = view.value
    const next = clamp(zoom * factor)
    const by = next / zoom
    put({ x: x - (x - left) * by, y: y - (y - top) * by, zoom: next })
  }
  const fit = () => {
    view.value = fitted(area, size)
    rest()
    // Without a place in the address the picture begins anew, which for a big one is not all of it.
    set({ at: view.value.zoom >= READABLE ? null : spell(view.value) }, true)
  }
  const reveal = (wanted: Area) => {
    const { x, y, zoom } = view.value
    const left = wanted.x * zoom + x
    const top = wanted.y * zoom + y
    const right = size.width - MARGIN.right - wanted.width * zoom
    const bottom = size.height - MARGIN.bottom - wanted.height * zoom
    const dx = Math.max(MARGIN.left, Math.min(right, left)) - left
    const dy = Math.max(MARGIN.top, Math.min(bottom, top)) - top
    if (Math.abs(dx) > 1 || Math.abs(dy) > 1) {
      // From far away to the middle, where its neighbours are in sight too.
      const far = Math.abs(dx) > size.width / 2 || Math.abs(dy) > size.height / 2
      panBy(far ? size.width / 2 - left : dx, far ? size.height / 2 - top : dy)
    }
  }
  useWheel(ref, panBy, zoomBy)
  return { view, drawn, moving, zoomBy, panBy, fit, reveal }
}

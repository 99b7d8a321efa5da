// SPDX-License-Identifier: Apache-2.0
// Pan and zoom. Where the reader has moved is part of the address (`at`); without it the whole is shown.
import { useSignal, type Signal } from '@preact/signals'
import type { RefObject } from 'preact'
import { useEffect } from 'preact/hooks'
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

const LEAST = 0.04
const MOST = 3
const SETTLE_MS = 250

/** Room for what floats above the picture: switches, legend, zoom. */
const MARGIN = { top: 60, right: 24, bottom: 52, left: 24 }

export function fitted(area: Area, size: Size): View {
  const width = size.width - MARGIN.left - MARGIN.right
  const height = size.height - MARGIN.top - MARGIN.bottom
  if (width <= 0 || height <= 0 || area.width <= 0 || area.height <= 0) return { x: MARGIN.left, y: MARGIN.top, zoom: 1 }
  const zoom = Math.max(LEAST, Math.min(1, width / area.width, height / area.height))
  return {
    x: MARGIN.left + (width - area.width * zoom) / 2 - area.x * zoom,
    y: MARGIN.top + (height - area.height * zoom) / 2 - area.y * zoom,
    zoom,
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

export interface Viewport {
  view: Signal<View>
  moving: Signal<boolean>
  zoomBy: (factor: number, x?: number, y?: number) => void
  panBy: (dx: number, dy: number) => void
  fit: () => void
}

export function useViewport(ref: RefObject<Element | null>, area: Area, size: Size): Viewport {
  const view = useSignal<View>({ x: 0, y: 0, zoom: 1 })
  const moving = useSignal(false)
  const timer = useSignal<ReturnType<typeof setTimeout> | undefined>(undefined)

  // The address decides; when it says nothing, all is shown.
  const wanted = param('at')
  useEffect(() => {
    if (!moving.value) view.value = fromAddress() ?? fitted(area, size)
  }, [wanted, area.x, area.y, area.width, area.height, size.width, size.height])

  const settle = () => {
    moving.value = true
    clearTimeout(timer.value)
    timer.value = setTimeout(() => {
      const { x, y, zoom } = view.value
      set({ at: `${Math.round(x)},${Math.round(y)},${Number(zoom.toPrecision(3))}` }, true)
      moving.value = false
    }, SETTLE_MS)
  }
  const panBy = (dx: number, dy: number) => {
    view.value = { ...view.value, x: view.value.x + dx, y: view.value.y + dy }
    settle()
  }
  const zoomBy = (factor: number, x = size.width / 2, y = size.height / 2) => {
    const { x: left, y: top, zoom } = view.value
    const next = clamp(zoom * factor)
    const by = next / zoom
    view.value = { x: x - (x - left) * by, y: y - (y - top) * by, zoom: next }
    settle()
  }
  const fit = () => {
    clearTimeout(timer.value)
    moving.value = false
    view.value = fitted(area, size)
    set({ at: null }, true)
  }

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
  useEffect(
    () => () => {
      clearTimeout(timer.value)
    },
    [],
  )
  return { view, moving, zoomBy, panBy, fit }
}

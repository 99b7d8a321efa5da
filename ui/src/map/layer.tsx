// SPDX-License-Identifier: Apache-2.0
// The one layer that pan and zoom move. Its drawing covers the whole map at the zoom for which it is drawn; the
// browser keeps it as pixels and only shifts or scales these while the view moves.
import { useSignalEffect } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useRef } from 'preact/hooks'
import type { Area, Viewport } from './viewport'

/** Room for loops and labels beyond the outermost boxes. */
const PAD = 80

interface LayerProps {
  area: Area
  viewport: Viewport
  class: string
  label: string
  children: ComponentChildren
}

export function Layer({ area, viewport, class: name, label, children }: LayerProps) {
  const layer = useRef<HTMLDivElement>(null)
  const left = area.x - PAD
  const top = area.y - PAD
  const width = area.width + 2 * PAD
  const height = area.height + 2 * PAD
  const drawn = viewport.drawn.value

  useSignalEffect(() => {
    const { x, y, zoom } = viewport.view.value
    const scale = zoom / viewport.drawn.value
    const element = layer.current
    if (!element) return
    element.style.transform = `translate(${x + left * zoom}px, ${y + top * zoom}px)${scale === 1 ? '' : ` scale(${scale})`}`
  })
  const { x, y, zoom } = viewport.view.peek()
  return (
    <div
      ref={layer}
      class="map-layer"
      style={{ transform: `translate(${x + left * zoom}px, ${y + top * zoom}px) scale(${zoom / drawn})` }}
    >
      <svg
        class={name}
        role="group"
        aria-label={label}
        width={width * drawn}
        height={height * drawn}
        viewBox={`${left} ${top} ${width} ${height}`}
      >
        {children}
      </svg>
    </div>
  )
}

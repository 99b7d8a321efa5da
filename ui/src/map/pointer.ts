// SPDX-License-Identifier: Apache-2.0
// What pointer and keys do in the picture: hover, select, pan, go from box to box.
import { useSignal, type Signal } from '@preact/signals'
import type { RefObject } from 'preact'
import { useRef } from 'preact/hooks'
import { TOGETHER_FROM } from './lines'
import { arranging } from './positions'
import { nearest, type Route } from './routing'
import type { Scene } from './scene'
import type { Viewport } from './viewport'

export interface Choices {
  scene: Scene
  onNode: (id: string) => void
  onEdge: (id: string) => void
  onNothing: () => void
  onFocus: (id: string) => void
  onTables?: (id: string) => void
  /** A box was dragged by so much, in the picture's own pixels. */
  onMove?: (id: string, dx: number, dy: number) => void
}

const DRAG_FROM = 4
const REACH = 6

/** The nearest box in the direction of an arrow key. */
function beside(scene: Scene, id: string, key: string): string | null {
  const here = scene.boxes.get(id)
  if (!here) return scene.boxes.keys().next().value ?? null
  const dx = key === 'ArrowLeft' ? -1 : key === 'ArrowRight' ? 1 : 0
  const dy = key === 'ArrowUp' ? -1 : key === 'ArrowDown' ? 1 : 0
  let best: string | null = null
  let least = Infinity
  for (const box of scene.boxes.values()) {
    const x = box.x + box.width / 2 - here.x - here.width / 2
    const y = box.y + box.height / 2 - here.y - here.height / 2
    const along = x * dx + y * dy
    const across = Math.abs(x * dy) + Math.abs(y * dx)
    if (along <= 8 || (across > along * 2 && dx === 0)) continue
    const distance = along + across * 2
    if (distance < least) {
      least = distance
      best = box.node.id
    }
  }
  return best
}

function nodeAt(event: Event): string | null {
  return (event.target as Element).closest('[data-node]')?.getAttribute('data-node') ?? null
}

/** What lies under the pointer, and what a click on it selects. */
function usePointing(
  props: Choices,
  root: RefObject<Element | null>,
  all: Map<string, Route>,
  viewport: Viewport,
) {
  const { scene } = props
  const hovered = useSignal<string | null>(null)
  const lineAt = (event: MouseEvent): string | null => {
    const own = (event.target as Element).closest('[data-line]')?.getAttribute('data-line')
    if (own !== null && own !== undefined) return own
    // Lines that are drawn together have no element of their own.
    if (scene.lines.length < TOGETHER_FROM) return null
    const box = root.current?.getBoundingClientRect()
    const { x, y, zoom } = viewport.view.peek()
    return nearest(
      all,
      (event.clientX - (box?.left ?? 0) - x) / zoom,
      (event.clientY - (box?.top ?? 0) - y) / zoom,
      REACH / zoom,
    )
  }
  const choose = (event: MouseEvent) => {
    const toggled = (event.target as Element).closest('[data-tables]')?.getAttribute('data-tables')
    if (toggled !== null && toggled !== undefined) {
      props.onTables?.(toggled)
      return
    }
    const node = nodeAt(event)
    if (node !== null) {
      props.onNode(node)
      return
    }
    const key = lineAt(event)
    const edge = key === null ? undefined : scene.lines.find((line) => line.key === key)?.edges[0]
    if (edge) props.onEdge(edge.id)
    else props.onNothing()
  }
  const hover = (event: MouseEvent) => {
    if (viewport.moving.peek()) return
    hovered.value = nodeAt(event) === null ? lineAt(event) : null
  }
  return { hovered, choose, hover }
}

interface Drag {
  x: number
  y: number
  moved: boolean
  /** The box that is dragged, and how far it has come. */
  box: Element | null
  dx: number
  dy: number
}

function boxAt(event: Event): Element | null {
  return (event.target as Element).closest('[data-box]')
}

/** Only the box follows the pointer; its lines are drawn anew when it is let go. */
function shiftBox(drag: Drag, dx: number, dy: number, zoom: number): void {
  drag.dx += dx / zoom
  drag.dy += dy / zoom
  drag.box?.setAttribute('transform', `translate(${drag.dx} ${drag.dy})`)
}

export function usePointer(
  props: Choices,
  root: RefObject<HTMLElement | null>,
  all: Map<string, Route>,
  viewport: Viewport,
  cursor: Signal<string | null>,
) {
  const { scene } = props
  const { hovered, choose, hover } = usePointing(props, root, all, viewport)
  const drag = useRef<Drag | null>(null)
  const handlers = {
    onPointerDown: (event: PointerEvent) => {
      if (event.button !== 0) return
      const box = props.onMove && arranging.peek() ? boxAt(event) : null
      drag.current = { x: event.clientX, y: event.clientY, moved: false, box, dx: 0, dy: 0 }
    },
    onPointerMove: (event: PointerEvent) => {
      const at = drag.current
      if (!at) {
        hover(event)
        return
      }
      const dx = event.clientX - at.x
      const dy = event.clientY - at.y
      if (!at.moved && Math.hypot(dx, dy) < DRAG_FROM) return
      if (!at.moved) root.current?.setPointerCapture(event.pointerId)
      if (at.box) shiftBox(at, dx, dy, viewport.view.peek().zoom)
      else viewport.panBy(dx, dy)
      Object.assign(at, { x: event.clientX, y: event.clientY, moved: true })
    },
    onPointerUp: (event: PointerEvent) => {
      const at = drag.current
      drag.current = null
      if (!at) return
      if (!at.moved) choose(event)
      else if (at.box) {
        at.box.removeAttribute('transform')
        props.onMove?.(at.box.getAttribute('data-box') ?? '', at.dx, at.dy)
      }
    },
    onPointerLeave: () => {
      hovered.value = null
    },
    onDblClick: (event: MouseEvent) => {
      if ((event.target as Element).closest('[data-tables]')) return
      const node = nodeAt(event)
      if (node !== null) props.onFocus(node)
    },
    onKeyDown: (event: KeyboardEvent) => {
      const id = cursor.value ?? [...scene.boxes.keys()][0] ?? null
      if (id === null) return
      if (event.key === 'Enter' || event.key === ' ') props.onNode(id)
      else if (event.key === 'f') props.onFocus(id)
      else if (event.key === 't') props.onTables?.(id)
      else if (event.key.startsWith('Arrow')) {
        const next = beside(scene, id, event.key)
        if (next === null) return
        cursor.value = next
        root.current?.querySelector<SVGGElement>(`[data-box="${CSS.escape(next)}"]`)?.focus()
      } else return
      event.preventDefault()
      event.stopPropagation()
    },
  }
  return { hovered, handlers }
}

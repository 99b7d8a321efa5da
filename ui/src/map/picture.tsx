// SPDX-License-Identifier: Apache-2.0
// The map as a picture: pan with the pointer or the arrow keys, zoom with the wheel, select with a click,
// focus with a double click. A few nodes share one tab stop; the arrow keys go from box to box.
import { useComputed, useSignal, useSignalEffect } from '@preact/signals'
import { useMemo, useRef } from 'preact/hooks'
import { share } from '../base/format'
import { useKeys } from '../base/keys'
import { useSize } from '../base/size'
import { Controls } from './controls'
import { LineLabel, LinePath, LinesTogether, NearLabels, TOGETHER_FROM, TroubleLabels } from './lines'
import { nearest, routes, type Route } from './routing'
import { bounds, shapeKey, type Box, type Line, type Scene } from './scene'
import { rateOfNode, Shape } from './shapes'
import { textWidth } from './text'
import { useViewport } from './viewport'

export interface PictureProps {
  scene: Scene
  /** The selected node's or edge's id. */
  selection: string | null
  onNode: (id: string) => void
  onEdge: (id: string) => void
  onNothing: () => void
  onFocus: (id: string) => void
}

const DRAG_FROM = 4
const NEAR_ZOOM = 1.5
const NAME_ZOOM = 0.42

function describe(box: Box, scene: Scene): string {
  const { node } = box
  const errors = node.requests !== undefined ? `, ${share(node.errors ?? 0, node.requests)} errors` : ''
  const tables = box.tables.length > 0 ? `, ${box.tables.length} tables` : ''
  const traffic = rateOfNode(scene, node.id)
  return `${node.name}, ${node.type}${tables}${traffic === '' ? '' : `, ${traffic}`}${errors}`
}

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

/** Names of the busiest boxes in a size that can be read, where the picture is too far for the boxes' own. */
function FarNames({ scene, zoom }: { scene: Scene; zoom: number }) {
  const boxes = [...scene.boxes.values()].sort(
    (a, b) => (scene.traffic.get(b.node.id) ?? 0) - (scene.traffic.get(a.node.id) ?? 0) || a.node.id.localeCompare(b.node.id),
  )
  const taken: [number, number, number, number][] = []
  const shown: Box[] = []
  for (const box of boxes.slice(0, 400)) {
    const wide = textWidth(box.node.name, 11, 600) + 8
    const x = box.x * zoom
    const y = (box.y + box.height / 2) * zoom
    const clash = taken.some(([left, top, right, bottom]) => x < right && x + wide > left && y - 9 < bottom && y + 9 > top)
    if (clash) continue
    taken.push([x, y - 9, x + wide, y + 9])
    shown.push(box)
  }
  return (
    <g class="far-names" pointer-events="none">
      {shown.map((box) => (
        <text key={box.node.id} x={box.x} y={box.y + box.height / 2 + 4 / zoom} font-size={11 / zoom} stroke-width={3 / zoom}>
          {box.node.name}
        </text>
      ))}
    </g>
  )
}

function lineOfEdge(scene: Scene, id: string | null): Line | undefined {
  return id === null ? undefined : scene.lines.find((line) => line.edges.some((edge) => edge.id === id))
}

interface EdgesProps {
  scene: Scene
  all: Map<string, Route>
  selected: Line | undefined
  hovered: string | null
  lit: Set<string>
  near: boolean
}

/** Lit lines (of the selected node) and the selected line on top of the others. */
function Edges({ scene, all, selected, hovered, lit, near }: EdgesProps) {
  const many = scene.lines.length >= TOGETHER_FROM
  const quiet = lit.size > 0 || selected !== undefined
  const together = useMemo(() => many && <LinesTogether scene={scene} routes={all} quiet={quiet} />, [scene, all, quiet])
  const top = (line: Line) => line === selected || line.key === hovered || lit.has(line.key)
  const single = many ? scene.lines.filter(top) : scene.lines
  const ordered = many ? single : [...single.filter((line) => !top(line)), ...single.filter(top)]
  const tone = (line: Line) => (line === selected ? 'selected' : !many && lit.size > 0 && !top(line) ? 'faded' : undefined)
  return (
    <g>
      {together}
      {ordered.map((line) => {
        const route = all.get(line.key)
        const shade = tone(line)
        return route && <LinePath key={line.key} line={line} route={route} minutes={scene.minutes} {...(shade ? { tone: shade } : {})} />
      })}
      {!many && <TroubleLabels lines={scene.lines} routes={all} skip={selected?.key ?? null} />}
      {!many && near && <NearLabels lines={scene.lines} routes={all} minutes={scene.minutes} />}
    </g>
  )
}

function usePointer(props: PictureProps, toMap: (event: PointerEvent | MouseEvent) => [number, number, number], all: Map<string, Route>) {
  const { scene } = props
  const hovered = useSignal<string | null>(null)
  const many = scene.lines.length >= TOGETHER_FROM

  const lineAt = (event: PointerEvent | MouseEvent): string | null => {
    const own = (event.target as Element).closest('[data-line]')?.getAttribute('data-line')
    if (own !== null && own !== undefined) return own
    if (!many) return null
    const [x, y, zoom] = toMap(event)
    return nearest(all, x, y, 6 / zoom)
  }
  const nodeAt = (event: Event) => (event.target as Element).closest('[data-node]')?.getAttribute('data-node') ?? null
  const choose = (event: PointerEvent | MouseEvent) => {
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
  const hover = (event: PointerEvent) => {
    hovered.value = nodeAt(event) === null ? lineAt(event) : null
  }
  return { hovered, choose, hover, nodeAt }
}

interface BoxProps {
  box: Box
  scene: Scene
  selection: string | null
  stop: boolean
  onCursor: (id: string) => void
}

function BoxGroup({ box, scene, selection, stop, onCursor }: BoxProps) {
  const { id } = box.node
  return (
    <g
      class={`node ${selection === id ? 'selected' : ''}`}
      role="button"
      tabIndex={stop ? 0 : -1}
      aria-label={describe(box, scene)}
      aria-pressed={selection === id}
      data-node={id}
      data-box={id}
      onFocus={() => {
        onCursor(id)
      }}
    >
      <Shape box={box} scene={scene} selection={selection} />
    </g>
  )
}

export function Picture(props: PictureProps) {
  const { scene, selection } = props
  const root = useRef<SVGSVGElement>(null)
  const size = useSize(root)
  const shape = shapeKey(scene)
  const area = useMemo(() => bounds(scene), [shape])
  const all = useMemo(() => routes(scene), [shape])
  const viewport = useViewport(root, area, size.value)
  const cursor = useSignal<string | null>(null)
  const drag = useRef<{ x: number; y: number; moved: boolean } | null>(null)
  const world = useRef<SVGGElement>(null)

  // Panning moves one attribute; the boxes and lines are drawn anew only when the level of detail changes.
  useSignalEffect(() => {
    const { x, y, zoom } = viewport.view.value
    world.current?.setAttribute('transform', `translate(${x} ${y}) scale(${zoom})`)
  })
  const level = useComputed(() => {
    const { zoom } = viewport.view.value
    return zoom >= NEAR_ZOOM ? 'near' : zoom >= NAME_ZOOM ? 'middle' : `far ${Math.round(Math.log2(zoom) * 3)}`
  })
  const far = level.value.startsWith('far')

  const toMap = (event: PointerEvent | MouseEvent): [number, number, number] => {
    const box = root.current?.getBoundingClientRect()
    const { x, y, zoom } = viewport.view.peek()
    return [(event.clientX - (box?.left ?? 0) - x) / zoom, (event.clientY - (box?.top ?? 0) - y) / zoom, zoom]
  }
  const pointer = usePointer(props, toMap, all)
  useKeys({
    '+': () => { viewport.zoomBy(1.25) },
    '=': () => { viewport.zoomBy(1.25) },
    '-': () => { viewport.zoomBy(0.8) },
    '0': () => { viewport.fit() },
  })

  const onPointerDown = (event: PointerEvent) => {
    if (event.button !== 0) return
    drag.current = { x: event.clientX, y: event.clientY, moved: false }
  }
  const onPointerMove = (event: PointerEvent) => {
    const at = drag.current
    if (!at) {
      pointer.hover(event)
      return
    }
    const dx = event.clientX - at.x
    const dy = event.clientY - at.y
    if (!at.moved && Math.hypot(dx, dy) < DRAG_FROM) return
    if (!at.moved) root.current?.setPointerCapture(event.pointerId)
    drag.current = { x: event.clientX, y: event.clientY, moved: true }
    viewport.panBy(dx, dy)
  }
  const onPointerUp = (event: PointerEvent) => {
    const at = drag.current
    drag.current = null
    if (at && !at.moved) pointer.choose(event)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const id = cursor.value ?? [...scene.boxes.keys()][0] ?? null
    if (id === null) return
    if (event.key === 'Enter' || event.key === ' ') props.onNode(id)
    else if (event.key === 'f') props.onFocus(id)
    else if (event.key.startsWith('Arrow')) {
      const next = beside(scene, id, event.key)
      if (next === null) return
      cursor.value = next
      root.current?.querySelector<SVGGElement>(`[data-box="${CSS.escape(next)}"]`)?.focus()
    } else return
    event.preventDefault()
    event.stopPropagation()
  }

  const selectedLine = lineOfEdge(scene, selection)
  const hoveredLine = scene.lines.find((line) => line.key === pointer.hovered.value)
  const lit = new Set(scene.lines.filter((line) => line.from === selection || line.to === selection).map((line) => line.key))
  const stop = cursor.value !== null && scene.boxes.has(cursor.value) ? cursor.value : [...scene.boxes.keys()][0]
  // The same objects as before tell Preact that nothing changed: hovering does not touch a thousand boxes.
  const boxes = useMemo(() => {
    const onCursor = (id: string) => (cursor.value = id)
    return [...scene.boxes.values()].map((box) => (
      <BoxGroup key={box.node.id} box={box} scene={scene} selection={selection} stop={box.node.id === stop} onCursor={onCursor} />
    ))
  }, [scene, selection, stop])
  const labels = [selectedLine, hoveredLine === selectedLine ? undefined : hoveredLine]

  return (
    <div class="picture">
      <svg
        ref={root}
        class={far ? 'map-svg far' : 'map-svg'}
        role="group"
        aria-label="Map. Arrow keys go from box to box, Enter opens one, f focuses on it."
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerUp}
        onPointerLeave={() => (pointer.hovered.value = null)}
        onDblClick={(event) => {
          const node = pointer.nodeAt(event)
          if (node !== null) props.onFocus(node)
        }}
        onKeyDown={onKeyDown}
      >
        <g ref={world}>
          <Edges scene={scene} all={all} selected={selectedLine} hovered={pointer.hovered.value} lit={lit} near={level.value === 'near'} />
          {boxes}
          {far && <FarNames scene={scene} zoom={viewport.view.peek().zoom} />}
          {labels.map((line, index) => {
            const route = line && all.get(line.key)
            if (!line || !route) return null
            return <LineLabel key={line.key} line={line} route={route} minutes={scene.minutes} {...(index === 0 ? { tone: 'selected' as const } : {})} />
          })}
        </g>
      </svg>
      <Controls viewport={viewport} />
    </div>
  )
}

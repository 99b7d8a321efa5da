// SPDX-License-Identifier: Apache-2.0
// The map as a picture: pan with the pointer, zoom with the wheel, select with a click, focus with a double
// click. The boxes share one tab stop; the arrow keys go from box to box.
import { useComputed, useSignal, type Signal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { useKeys } from '../base/keys'
import { useSize, type Size } from '../base/size'
import { BoxGroup } from './box_group'
import { gravest, type Comparison } from './compare'
import { Controls } from './controls'
import { Edges, lineOfEdge } from './edges'
import { FarNames } from './far_names'
import { Layer } from './layer'
import { LineLabel } from './lines'
import { usePointer, type Choices } from './pointer'
import { arranging } from './positions'
import { routes } from './routing'
import { amount, bounds, shapeKey, type Scene } from './scene'
import { useViewport, type Area, type Viewport } from './viewport'

export interface PictureProps extends Choices {
  /** The selected node's or edge's id. */
  selection: string | null
  /** Lines to stand out besides those of the selected node. */
  lit?: ReadonlySet<string>
  comparison?: Comparison | null
}

const NEAR_ZOOM = 1.5
/** So many lines are drawn lighter, or they would fill the picture. */
const DENSE = 150
const NAME_ZOOM = 0.42
const PANEL = 344
const RAIL = 56

/** The room beside an open panel, open or not: the picture must not move when one is opened. */
function withoutPanel(size: Size): Size {
  const page = window.innerWidth - RAIL
  return page + RAIL <= 900 ? size : { width: Math.min(size.width, page - PANEL), height: size.height }
}

const NOWHERE = { x: 0, y: 0, width: 0, height: 0 }

function busiest(scene: Scene): Area {
  let best: Area = NOWHERE
  let most = -1
  for (const box of scene.boxes.values()) {
    const traffic = box.node.type === 'service' ? (scene.traffic.get(box.node.id) ?? 0) : 0
    if (traffic > most) [best, most] = [box, traffic]
  }
  return best
}

function useZoomKeys(viewport: Viewport, movable: boolean): void {
  const nearer = () => {
    viewport.zoomBy(1.25)
  }
  const farther = () => {
    viewport.zoomBy(0.8)
  }
  useKeys({
    '+': nearer,
    '=': nearer,
    '-': farther,
    '0': () => {
      viewport.fit()
    },
    m: () => movable && ((arranging.value = !arranging.peek()), true),
  })
}

/** What is selected elsewhere (search, a link) is brought into sight; what was clicked is there already. */
function useReveal(scene: Scene, selection: string | null, viewport: Viewport, ready: boolean): void {
  useEffect(() => {
    const box = selection === null ? undefined : scene.boxes.get(scene.boxOf.get(selection) ?? '')
    if (box && ready) viewport.reveal(box)
  }, [selection, ready])
}

/** In a comparison the boxes that no change touches step back. */
function tonesOf(scene: Scene, comparison: Comparison | null): Map<string, string> {
  const tones = new Map<string, string>()
  for (const box of scene.boxes.values()) if (box.free) tones.set(box.node.id, 'pinned')
  if (!comparison) return tones
  const touched = new Set<string>()
  for (const line of scene.lines) {
    if (!gravest(comparison, line.edges)) continue
    for (const end of [line.from, line.to]) touched.add(scene.boxOf.get(end) ?? end)
  }
  for (const id of scene.boxes.keys())
    tones.set(id, comparison.ofNode.get(id) ?? (touched.has(id) ? '' : 'faded'))
  return tones
}

/** The same objects as before tell Preact that nothing changed: hovering does not touch a thousand boxes. */
function useBoxes({ scene, selection, comparison = null }: PictureProps, cursor: Signal<string | null>) {
  const tones = useMemo(() => tonesOf(scene, comparison), [scene, comparison])
  const stop =
    cursor.value !== null && scene.boxes.has(cursor.value) ? cursor.value : [...scene.boxes.keys()][0]
  return useMemo(() => {
    const onCursor = (id: string) => (cursor.value = id)
    return [...scene.boxes.values()].map((box) => (
      <BoxGroup
        key={box.node.id}
        box={box}
        scene={scene}
        selection={selection}
        stop={box.node.id === stop}
        tone={tones.get(box.node.id) ?? ''}
        onCursor={onCursor}
      />
    ))
  }, [scene, selection, stop, tones])
}

export function Picture(props: PictureProps) {
  const { scene, selection, comparison = null } = props
  const root = useRef<HTMLDivElement>(null)
  const size = useSize(root)
  const still = useComputed(() => withoutPanel(size.value))
  const shape = shapeKey(scene)
  const area = useMemo(() => bounds(scene), [shape])
  const all = useMemo(() => routes(scene), [shape])
  const anchor = useMemo(() => busiest(scene), [shape])
  const viewport = useViewport(root, area, still.value, anchor)
  const cursor = useSignal<string | null>(null)
  const { hovered, handlers } = usePointer(props, root, all, viewport, cursor)
  const boxes = useBoxes(props, cursor)
  useZoomKeys(viewport, props.onMove !== undefined)
  useReveal(scene, selection, viewport, still.value.width > 0)

  const zoom = viewport.drawn.value
  const far = zoom < NAME_ZOOM
  const selectedLine = lineOfEdge(scene, selection)
  const hoveredLine = scene.lines.find((line) => line.key === hovered.value)
  const end = selection === null ? null : (scene.endOf.get(selection) ?? selection)
  const lit = new Set([
    ...(props.lit ?? []),
    ...scene.lines.filter((line) => line.from === end || line.to === end).map((line) => line.key),
  ])
  const labels = [selectedLine, hoveredLine === selectedLine ? undefined : hoveredLine]
  return (
    <div class="picture">
      <div class={arranging.value ? 'map-view arranging' : 'map-view'} ref={root} {...handlers}>
        <Layer
          area={area}
          viewport={viewport}
          class={`map-svg ${far ? 'far' : ''} ${scene.lines.length > DENSE ? 'dense' : ''}`}
          label="Map. Arrow keys go from box to box, Enter opens one, f focuses on it."
        >
          <Edges
            scene={scene}
            all={all}
            selected={selectedLine}
            hovered={hovered.value}
            lit={lit}
            near={zoom >= NEAR_ZOOM}
            comparison={comparison}
          />
          {boxes}
          {far && <FarNames scene={scene} zoom={zoom} />}
          {labels.map((line, index) => {
            const route = line && all.get(line.key)
            if (!line || !route) return null
            return (
              <LineLabel
                key={line.key}
                line={line}
                route={route}
                text={amount(scene, line.count)}
                {...(index === 0 ? { tone: 'selected' as const } : {})}
              />
            )
          })}
        </Layer>
      </div>
      <Controls viewport={viewport} comparing={comparison !== null} movable={props.onMove !== undefined} />
    </div>
  )
}

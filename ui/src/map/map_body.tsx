// SPDX-License-Identifier: Apache-2.0
// The picture or table of the map, with what was chosen to be folded or left out.
import { useMemo } from 'preact/hooks'
import type { MapAnswer } from '../api/types'
import { exact, plural } from '../base/format'
import { hrefTo, hrefWith, param, set } from '../base/route'
import { panelPinned } from '../frame/pin'
import type { Comparison } from './compare'
import { grouped, groupId } from './groups'
import { groupedBy, Levels, openGroups, operationsShown, Sides } from './levels'
import { SERVICES_MOST, useOperations, withOperations } from './operations'
import { pathsBetween, type Path } from './paths'
import { Picture } from './picture'
import { moveFailed, pinBox, useArranging } from './positions'
import { neighbourhood, only, sceneOf, type Scene } from './scene'
import { MapTable } from './table'
import { turnedTables, turnTables } from './tables'

const MOST_HOPS = 4
const NONE: ReadonlySet<string> = new Set()

function Switch({ table }: { table: boolean }) {
  return (
    <div class="segments" role="group" aria-label="Shown as">
      <a href={hrefWith({ view: null })} aria-current={table ? undefined : 'true'}>
        Picture
      </a>
      <a href={hrefWith({ view: 'table' })} aria-current={table ? 'true' : undefined}>
        Table
      </a>
    </div>
  )
}

/** Where the focus is, how far it reaches, and the way back. */
function FocusTrail({ scene, focus, hops }: { scene: Scene; focus: string; hops: number }) {
  const node = scene.nodes.get(focus)
  return (
    <nav class="trail" aria-label="Focus">
      <a href={hrefWith({ focus: null, hops: null, at: null })}>Map</a>
      <span aria-hidden="true">›</span>
      <strong>{node?.name ?? focus}</strong>
      <span class="segments hops" role="group" aria-label="Hops">
        {Array.from({ length: MOST_HOPS }, (_, index) => index + 1).map((count) => (
          <a
            key={count}
            href={hrefWith({ hops: count === 1 ? null : String(count), at: null })}
            aria-current={count === hops ? 'true' : undefined}
            aria-label={`${count} ${count === 1 ? 'hop' : 'hops'}`}
          >
            {count}
          </a>
        ))}
      </span>
      <span class="muted">{hops === 1 ? 'hop' : 'hops'}</span>
    </nav>
  )
}

function FlowTrail({ flow }: { flow: string }) {
  return (
    <nav class="trail" aria-label="Flow">
      <a href={hrefTo(['flows', flow])}>{flow}</a>
      <span class="muted">on the system map</span>
      <a class="control" href={hrefWith({ flow: null, at: null })}>
        Whole map
      </a>
    </nav>
  )
}

/** What a click beside everything does: a panel that is pinned stays. */
function letGo(): void {
  const selected = param('node') !== null || param('edge') !== null
  if (selected && !panelPinned()) set({ node: null, edge: null })
}

function PathTrail({ scene, from, to, paths }: { scene: Scene; from: string; to: string; paths: Path[] }) {
  const name = (id: string) => scene.nodes.get(id)?.name ?? id
  return (
    <nav class="trail" aria-label="Paths">
      <a href={hrefWith({ path: null, at: null })}>Map</a>
      <span aria-hidden="true">›</span>
      <strong>{to === '' ? `Paths from ${name(from)}` : `${name(from)} → ${name(to)}`}</strong>
      <span class="muted" aria-live="polite">
        {to === '' && 'Choose where they lead to'}
        {to !== '' && paths.length === 0 && 'No path leads there'}
        {paths.length > 0 &&
          `${plural(paths.length, 'path')}, the shortest ${plural(paths[0]?.lines.length ?? 0, 'hop')}`}
      </span>
      {to !== '' && (
        <a class="control" href={hrefWith({ path: `${to}~${from}`, at: null })}>
          Turn round
        </a>
      )}
    </nav>
  )
}

function Notes({ answer }: { answer: MapAnswer }) {
  const { truncated, widened } = answer
  if (!truncated && widened !== true) return null
  return (
    <div class="map-truncated">
      {truncated && (
        <p>
          {exact(truncated.nodes)} rare nodes and {exact(truncated.edges)} edges are folded into “(other)”.
        </p>
      )}
      {widened === true && <p>Single minutes of so long ago are no longer kept: these are whole hours.</p>}
    </div>
  )
}

/** Of many services only the busiest show their operations. */
function FewOperations({ answer }: { answer: MapAnswer }) {
  const services = answer.nodes.filter((node) => node.type === 'service').length
  if (!operationsShown() || services <= SERVICES_MOST) return null
  return <p class="map-truncated">The {SERVICES_MOST} busiest services show their operations.</p>
}

export function selectNode(id: string): void {
  set({ node: id, edge: null })
}

export function selectEdge(id: string): void {
  set({ edge: id, node: null })
}

function pathEnds(): { from: string; to: string } | null {
  const [from = '', to = ''] = (param('path') ?? '').split('~')
  return from === '' ? null : { from, to }
}

function hopsWanted(): number {
  return Math.max(1, Math.min(MOST_HOPS, Number(param('hops') ?? 1) || 1))
}

/** The scene after grouping, then what focus or paths leave of it. */
function useShown(whole: Scene) {
  const by = groupedBy()
  const opened = param('open') ?? ''
  const turned = turnedTables()
  const operations = useOperations(whole.answer, operationsShown())
  const scene = useMemo(() => {
    const open = new Set(turned.split(','))
    if (by !== null) return sceneOf(grouped(whole.answer, by, openGroups()), open)
    return operations === null ? whole : sceneOf(withOperations(whole.answer, operations), open)
  }, [whole, by, opened, turned, operations])
  const focus = param('focus')
  const hops = hopsWanted()
  const ends = pathEnds()
  const [from, to] = [ends?.from ?? '', ends?.to ?? '']
  const paths = useMemo(() => (to === '' ? [] : pathsBetween(scene, from, to)), [scene, from, to])
  const shown = useMemo(() => {
    if (paths.length > 0) return only(scene, new Set(paths.flatMap((path) => path.boxes)))
    const known = focus !== null && scene.boxOf.has(focus)
    return known ? only(scene, neighbourhood(scene, focus, hops)) : scene
  }, [scene, focus, hops, paths])
  const lit = useMemo(() => new Set(paths.flatMap((path) => path.lines)), [paths])
  return { whole, scene, shown, focus, hops, ends, paths, lit }
}

interface BodyProps {
  scene: Scene
  comparison: Comparison | null
  comparing: boolean
}

/** A group opens, anything else gets the focus. */
function enter(scene: Scene, id: string): void {
  const node = scene.nodes.get(id)
  const by = groupedBy()
  if (node?.type !== 'group' || by === null) {
    set({ focus: id, hops: null, node: id, edge: null, at: null })
    return
  }
  const open = openGroups()
  open.add(id.slice(groupId(by, '').length))
  set({ open: [...open].join(','), node: null, at: null })
}

/** Above the picture at the left: what of the map is shown, and the ways back. */
function Where({
  shown: { whole, scene, focus, hops, ends, paths },
  comparing,
}: {
  shown: ReturnType<typeof useShown>
  comparing: boolean
}) {
  const flow = param('flow')
  return (
    <>
      {ends && <PathTrail scene={scene} from={ends.from} to={ends.to} paths={paths} />}
      {!ends && focus !== null && <FocusTrail scene={scene} focus={focus} hops={hops} />}
      {flow !== null && <FlowTrail flow={flow} />}
      {!ends && focus === null && <Levels answer={whole.answer} />}
      {comparing && <Sides />}
    </>
  )
}

export function MapBody({ scene: whole, comparison, comparing }: BodyProps) {
  useArranging()
  // Groups, focus and paths are laid out for the moment; only the whole map has places to keep.
  const moveBox = (id: string, dx: number, dy: number) => {
    const at = whole.nodes.get(id)?.layout
    if (at) pinBox(id, at.x + dx, at.y + dy)
  }
  const found = useShown(whole)
  const { scene, shown, ends, paths, lit } = found
  const table = param('view') === 'table'
  const choose = (id: string) => {
    if (ends && ends.to === '' && id !== ends.from)
      set({ path: `${ends.from}~${id}`, node: null, edge: null, at: null })
    else selectNode(id)
  }
  return (
    <>
      <div class="map-head">
        <div class="map-head-part">
          <Where shown={found} comparing={comparing} />
        </div>
        <Switch table={table} />
      </div>
      {table ? (
        <MapTable scene={shown} comparison={comparison} />
      ) : (
        <Picture
          scene={shown}
          selection={param('edge') ?? param('node') ?? (ends?.to === '' ? ends.from : null)}
          lit={paths.length > 1 || lit.size === 0 ? NONE : lit}
          comparison={comparison}
          onNode={choose}
          onEdge={selectEdge}
          onNothing={letGo}
          onFocus={(id) => {
            enter(scene, id)
          }}
          onTables={turnTables}
          {...(scene === whole && shown === whole ? { onMove: moveBox } : {})}
        />
      )}
      {moveFailed.value && (
        <p class="map-truncated" role="alert">
          The server did not take the new place; it lasts until this page is closed.
        </p>
      )}
      <Notes answer={scene.answer} />
      {!table && <FewOperations answer={whole.answer} />}
    </>
  )
}

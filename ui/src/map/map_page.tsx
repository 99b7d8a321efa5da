// SPDX-License-Identifier: Apache-2.0
import { useEffect, useMemo } from 'preact/hooks'
import { address, ApiError } from '../api/client'
import type { MapAnswer } from '../api/types'
import { useAnswer, type Answer } from '../api/use'
import { exact } from '../base/format'
import { useKeys } from '../base/keys'
import { hrefWith, param, set } from '../base/route'
import { timeWindow, windowParams } from '../base/window'
import { Dock } from '../dock/dock'
import { Empty } from '../frame/empty'
import { NothingHere, Problem } from '../frame/notice'
import { greeted, shownMap, status } from '../frame/state'
import { EdgePanel } from './edge_panel'
import { NodePanel } from './node_panel'
import { Picture } from './picture'
import { placeParams } from './place'
import { neighbourhood, only, sceneOf, type Scene } from './scene'
import { MapTable } from './table'

const LIVE_MS = 2000
const MOST_HOPS = 4

function mapUrl(): string {
  return address('map', { ...windowParams(timeWindow.value), ...placeParams() })
}

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
function Trail({ scene, focus, hops }: { scene: Scene; focus: string; hops: number }) {
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

function Truncated({ answer }: { answer: MapAnswer }) {
  if (!answer.truncated) return null
  const { nodes, edges } = answer.truncated
  return (
    <p class="map-truncated">
      {exact(nodes)} rare nodes and {exact(edges)} edges are folded into “(other)”.
    </p>
  )
}

export function selectNode(id: string): void {
  set({ node: id, edge: null })
}

export function selectEdge(id: string): void {
  set({ edge: id, node: null })
}

function Side({ scene }: { scene: Scene }) {
  const close = () => {
    set({ node: null, edge: null })
  }
  const node = param('node')
  const edge = param('edge')
  if (edge !== null) return <EdgePanel key={edge} id={edge} scene={scene} onClose={close} />
  if (node !== null) return <NodePanel key={node} id={node} scene={scene} onClose={close} />
  return null
}

function Body({ scene, table }: { scene: Scene; table: boolean }) {
  const focus = param('focus')
  const hops = Math.max(1, Math.min(MOST_HOPS, Number(param('hops') ?? 1) || 1))
  const shown = useMemo(
    () => (focus !== null && scene.boxOf.has(focus) ? only(scene, neighbourhood(scene, focus, hops)) : scene),
    [scene, focus, hops],
  )
  const focusOn = (id: string) => {
    set({ focus: id, hops: null, node: id, edge: null, at: null })
  }
  return (
    <>
      <div class="map-head">
        {focus !== null ? <Trail scene={scene} focus={focus} hops={hops} /> : <span />}
        <Switch table={table} />
      </div>
      {table ? (
        <MapTable scene={shown} />
      ) : (
        <Picture
          scene={shown}
          selection={param('edge') ?? param('node')}
          onNode={selectNode}
          onEdge={selectEdge}
          onNothing={() => {
            if (param('node') !== null || param('edge') !== null) set({ node: null, edge: null })
          }}
          onFocus={focusOn}
        />
      )}
      <Truncated answer={scene.answer} />
    </>
  )
}

function Shown({ answer, scene, none }: { answer: Answer<MapAnswer>; scene: Scene | null; none: boolean }) {
  const error = answer.error.value
  // A server that is gone leaves the picture that was there; one that refuses the question does not.
  if (error && (!scene || error instanceof ApiError)) return <Problem error={error} />
  if (none) return <NothingHere />
  if (scene) return <Body scene={scene} table={param('view') === 'table'} />
  return answer.slow.value ? <p class="waiting">Drawing the map…</p> : null
}

export function MapPage() {
  const url = mapUrl()
  const answer = useAnswer<MapAnswer>(url, timeWindow.value.live ? LIVE_MS : null)
  const map = answer.data.value
  const scene = useMemo(() => (map ? sceneOf(map) : null), [map])
  useEffect(() => {
    shownMap.value = map
  }, [map])
  useKeys({
    Escape: () => {
      if (param('node') !== null || param('edge') !== null) set({ node: null, edge: null })
      else if (param('focus') !== null) set({ focus: null, hops: null, at: null })
      else return false
      return true
    },
  })

  const none = map !== null && map.nodes.length === 0
  const waiting = status.value?.spans.stored === 0 || greeted.value !== null
  if (waiting && (none || map === null)) return <Empty />
  return (
    <div class="page">
      <main class="column">
        <h1 class="hidden">Map</h1>
        <div class="map">
          <Shown answer={answer} scene={scene} none={none} />
        </div>
        <Dock answer={map} />
      </main>
      {scene && <Side scene={scene} />}
    </div>
  )
}

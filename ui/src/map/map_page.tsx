// SPDX-License-Identifier: Apache-2.0
import { useEffect, useMemo } from 'preact/hooks'
import { ApiError, type Unreachable } from '../api/client'
import type { MapAnswer } from '../api/types'
import { useKeys } from '../base/keys'
import { param, set } from '../base/route'
import { Dock } from '../dock/dock'
import { Empty } from '../frame/empty'
import { NothingHere, Problem } from '../frame/notice'
import { panelPinned } from '../frame/pin'
import { greeted, shownMap, status } from '../frame/state'
import { comparedWith, stopComparing } from './compare'
import { ComparePanel } from './compare_panel'
import { useCompared, type Compared } from './compared'
import { EdgePanel } from './edge_panel'
import { MapBody } from './map_body'
import { NodePanel } from './node_panel'
import { useMap } from './live'
import { placed, usePlaces } from './positions'
import { sceneOf, type Scene } from './scene'
import { turnedTables } from './tables'

/** What the panel shows is of the whole map, whatever the picture folds or leaves out. */
function Side({ scene, compared }: { scene: Scene; compared: Compared | null }) {
  if (compared) return <ComparePanel {...compared} />
  const close = () => {
    set({ node: null, edge: null })
  }
  const node = param('node')
  const edge = param('edge')
  if (edge !== null) return <EdgePanel key={edge} id={edge} scene={scene} onClose={close} />
  if (node !== null) return <NodePanel key={node} id={node} scene={scene} onClose={close} />
  return null
}

function sideShown(compared: Compared): MapAnswer {
  const show = param('show')
  if (show === 'a') return compared.comparison.before
  return show === 'b' ? compared.comparison.after : compared.picture
}

/** Escape lets go of the last thing done: selection, paths, focus, comparison. */
function useEscape(): void {
  useKeys({
    Escape: () => {
      const selected = param('node') !== null || param('edge') !== null
      if (selected && !panelPinned()) set({ node: null, edge: null })
      else if (param('path') !== null) set({ path: null, at: null })
      else if (param('focus') !== null) set({ focus: null, hops: null, at: null })
      else if (comparedWith() !== null) stopComparing()
      else return false
      return true
    },
  })
}

function Missing({
  error,
  slow,
  comparing,
}: {
  error: ApiError | Unreachable | null
  slow: boolean
  comparing: boolean
}) {
  if (error) return <Problem error={error} />
  return slow ? <p class="waiting">{comparing ? 'Comparing both windows…' : 'Drawing the map…'}</p> : null
}

interface ShownProps {
  scene: Scene | null
  error: ApiError | Unreachable | null
  slow: boolean
  comparing: boolean
  compared: Compared | null
}

function Shown({ scene, error, slow, comparing, compared }: ShownProps) {
  if (!scene) return <Missing error={error} slow={slow} comparing={comparing} />
  if (scene.answer.nodes.length === 0) return <NothingHere />
  const difference = compared && param('show') === null ? compared.comparison : null
  return <MapBody scene={scene} comparison={difference} comparing={compared !== null} />
}

export function MapPage() {
  const { comparing, compared, error: diffError } = useCompared()
  const { answer, map: current } = useMap(!comparing)
  const map = compared ? sideShown(compared) : current
  const turned = turnedTables()
  const places = usePlaces()
  const scene = useMemo(
    () => (map ? sceneOf(placed(map, places), new Set(turned.split(',')), new Set(places.keys())) : null),
    [map, turned, places],
  )
  useEffect(() => {
    shownMap.value = map
  }, [map])
  useEscape()

  const none = map !== null && map.nodes.length === 0
  const waiting = status.value?.spans.stored === 0 || greeted.value !== null
  if (waiting && (none || map === null)) return <Empty />
  const error = comparing ? diffError : answer.error.value
  // A server that is gone leaves the picture that was there; one that refuses the question does not.
  const shown = error instanceof ApiError ? null : scene
  return (
    <div class="page">
      <main class="column">
        <h1 class="hidden">Map</h1>
        <div class="map">
          <Shown
            scene={shown}
            error={error}
            slow={comparing || answer.slow.value}
            comparing={comparing}
            compared={compared}
          />
        </div>
        <Dock answer={map} />
      </main>
      {shown && <Side scene={shown} compared={compared} />}
    </div>
  )
}

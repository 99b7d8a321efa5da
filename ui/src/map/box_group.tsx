// SPDX-License-Identifier: Apache-2.0
// One box of the picture, as a button with its name for who cannot see it.
import { share } from '../base/format'
import type { Box, Scene } from './scene'
import { rateOfNode, Shape } from './shapes'

function describe(box: Box, scene: Scene): string {
  const { node } = box
  const errors = node.requests !== undefined ? `, ${share(node.errors ?? 0, node.requests)} errors` : ''
  const tables = box.tables.length > 0 ? `, ${box.tables.length} tables` : ''
  const traffic = rateOfNode(scene, node.id)
  return `${node.name}, ${node.type}${tables}${traffic === '' ? '' : `, ${traffic}`}${errors}`
}

interface BoxProps {
  box: Box
  scene: Scene
  selection: string | null
  stop: boolean
  onCursor: (id: string) => void
}

export function BoxGroup({ box, scene, selection, stop, onCursor }: BoxProps) {
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

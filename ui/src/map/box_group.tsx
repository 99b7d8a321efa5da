// SPDX-License-Identifier: Apache-2.0
// One box of the picture, as a button with its name for who cannot see it.
import { share } from '../base/format'
import type { Box, Scene } from './scene'
import { rateOfNode, Shape } from './shapes'

function describe(box: Box, scene: Scene): string {
  const { node } = box
  const errors = node.requests !== undefined ? `, ${share(node.errors ?? 0, node.requests)} errors` : ''
  const count = box.tables.length + box.folded
  const tables = count > 0 ? `, ${count} tables` : ''
  const traffic = rateOfNode(scene, node.id)
  return `${node.name}, ${node.type}${tables}${traffic === '' ? '' : `, ${traffic}`}${errors}`
}

interface BoxProps {
  box: Box
  scene: Scene
  selection: string | null
  stop: boolean
  /** How it stands out or back in a comparison, or that it was put where it is by hand. */
  tone: string
  onCursor: (id: string) => void
}

export function BoxGroup({ box, scene, selection, stop, tone, onCursor }: BoxProps) {
  const { id } = box.node
  return (
    <g
      class={`node ${selection === id ? 'selected' : ''} ${tone}`}
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

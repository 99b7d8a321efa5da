// SPDX-License-Identifier: Apache-2.0
// What can be read when the picture is too far away for the boxes' own text.
import type { Box, Scene } from './scene'
import { textWidth } from './text'

/** Names of the busiest boxes in a size that can be read, where the picture is too far for the boxes' own. */
export function FarNames({ scene, zoom }: { scene: Scene; zoom: number }) {
  const boxes = [...scene.boxes.values()].sort(
    (a, b) =>
      (scene.traffic.get(b.node.id) ?? 0) - (scene.traffic.get(a.node.id) ?? 0) ||
      a.node.id.localeCompare(b.node.id),
  )
  const taken: [number, number, number, number][] = []
  const shown: Box[] = []
  for (const box of boxes.slice(0, 400)) {
    const wide = textWidth(box.node.name, 11, 600) + 8
    const x = box.x * zoom
    const y = (box.y + box.height / 2) * zoom
    const clash = taken.some(
      ([left, top, right, bottom]) => x < right && x + wide > left && y - 9 < bottom && y + 9 > top,
    )
    if (clash) continue
    taken.push([x, y - 9, x + wide, y + 9])
    shown.push(box)
  }
  return (
    <g class="far-names" pointer-events="none">
      {shown.map((box) => (
        <text
          key={box.node.id}
          x={box.x}
          y={box.y + box.height / 2 + 4 / zoom}
          font-size={11 / zoom}
          stroke-width={3 / zoom}
        >
          {box.node.name}
        </text>
      ))}
    </g>
  )
}

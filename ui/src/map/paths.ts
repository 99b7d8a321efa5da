// SPDX-License-Identifier: Apache-2.0
// How one node reaches another: all ways along the arrows that are no longer than the shortest and a few hops more.
import type { Scene } from './scene'

export interface Path {
  /** Ids of boxes, from end to end. */
  boxes: string[]
  lines: string[]
}

const DETOUR = 2
const MOST_HOPS = 12
const MOST_PATHS = 50

interface Step {
  to: string
  line: string
}

/** Hops from every box to `end`, against the arrows. */
function distances(end: string, steps: Map<string, Step[]>): Map<string, number> {
  const back = new Map<string, string[]>()
  for (const [from, list] of steps) for (const { to } of list) back.set(to, [...(back.get(to) ?? []), from])
  const far = new Map([[end, 0]])
  const queue = [end]
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    for (const before of back.get(at) ?? []) {
      if (far.has(before)) continue
      far.set(before, (far.get(at) ?? 0) + 1)
      queue.push(before)
    }
  }
  return far
}

export function pathsBetween(scene: Scene, from: string, to: string): Path[] {
  const steps = new Map<string, Step[]>()
  for (const line of scene.lines) {
    const source = scene.boxOf.get(line.from)
    const target = scene.boxOf.get(line.to)
    if (source === undefined || target === undefined || source === target) continue
    steps.set(source, [...(steps.get(source) ?? []), { to: target, line: line.key }])
  }
  const start = scene.boxOf.get(from) ?? ''
  const end = scene.boxOf.get(to) ?? ''
  const far = distances(end, steps)
  const shortest = far.get(start)
  if (shortest === undefined || start === end) return []
  const most = Math.min(MOST_HOPS, shortest + DETOUR)
  const found: Path[] = []
  const walk = (boxes: string[], lines: string[]) => {
    const here = boxes.at(-1) ?? ''
    if (here === end) {
      found.push({ boxes, lines })
      return
    }
    for (const step of steps.get(here) ?? []) {
      if (found.length >= MOST_PATHS) return
      const left = far.get(step.to)
      if (left === undefined || lines.length + 1 + left > most || boxes.includes(step.to)) continue
      walk([...boxes, step.to], [...lines, step.line])
    }
  }
  walk([start], [])
  return found.sort((a, b) => a.lines.length - b.lines.length)
}

// SPDX-License-Identifier: Apache-2.0
// All lines of the picture, in the order in which they lie on each other.
import { useMemo } from 'preact/hooks'
import { LinePath, LinesTogether, NearLabels, TOGETHER_FROM, TroubleLabels } from './lines'
import type { Route } from './routing'
import type { Line, Scene } from './scene'

export function lineOfEdge(scene: Scene, id: string | null): Line | undefined {
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
export function Edges({ scene, all, selected, hovered, lit, near }: EdgesProps) {
  const many = scene.lines.length >= TOGETHER_FROM
  const quiet = lit.size > 0 || selected !== undefined
  const together = useMemo(
    () => many && <LinesTogether scene={scene} routes={all} quiet={quiet} />,
    [scene, all, quiet],
  )
  const top = (line: Line) => line === selected || line.key === hovered || lit.has(line.key)
  const single = many ? scene.lines.filter(top) : scene.lines
  const ordered = many ? single : [...single.filter((line) => !top(line)), ...single.filter(top)]
  const tone = (line: Line) =>
    line === selected ? 'selected' : !many && lit.size > 0 && !top(line) ? 'faded' : undefined
  return (
    <g>
      {together}
      {ordered.map((line) => {
        const route = all.get(line.key)
        const shade = tone(line)
        return (
          route && (
            <LinePath
              key={line.key}
              line={line}
              route={route}
              minutes={scene.minutes}
              {...(shade ? { tone: shade } : {})}
            />
          )
        )
      })}
      {!many && <TroubleLabels lines={scene.lines} routes={all} skip={selected?.key ?? null} />}
      {!many && near && <NearLabels lines={scene.lines} routes={all} minutes={scene.minutes} />}
    </g>
  )
}

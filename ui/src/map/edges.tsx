// SPDX-License-Identifier: Apache-2.0
// All lines of the picture, in the order in which they lie on each other.
import { useMemo } from 'preact/hooks'
import { gravest, type Change, type Comparison } from './compare'
import { ChangeChips, LinePath, LinesTogether, NearLabels, TOGETHER_FROM, TroubleLabels } from './lines'
import type { Route } from './routing'
import type { Line, Scene } from './scene'

export function lineOfEdge(scene: Scene, id: string | null): Line | undefined {
  return id === null
    ? undefined
    : scene.lines.find((line) => line.edges.some((edge) => edge.id === id || edge.of?.includes(id)))
}

interface EdgesProps {
  scene: Scene
  all: Map<string, Route>
  selected: Line | undefined
  hovered: string | null
  /** Lines to stand out: of the selected node, or of the paths shown. */
  lit: ReadonlySet<string>
  near: boolean
  comparison: Comparison | null
}

/** Lit, changed and selected lines on top of the others. */
export function Edges({ scene, all, selected, hovered, lit, near, comparison }: EdgesProps) {
  const many = scene.lines.length >= TOGETHER_FROM
  const quiet = lit.size > 0 || selected !== undefined || comparison !== null
  const together = useMemo(
    () => many && <LinesTogether scene={scene} routes={all} quiet={quiet} />,
    [scene, all, quiet],
  )
  const changes = useMemo(() => {
    const found = new Map<string, Change>()
    for (const line of comparison ? scene.lines : []) {
      const change = comparison && gravest(comparison, line.edges)
      if (change) found.set(line.key, change)
    }
    return found
  }, [scene, comparison])
  const top = (line: Line) =>
    line === selected || line.key === hovered || lit.has(line.key) || changes.has(line.key)
  const single = many ? scene.lines.filter(top) : scene.lines
  const ordered = many ? single : [...single.filter((line) => !top(line)), ...single.filter(top)]
  const tone = (line: Line) => {
    if (line === selected) return 'selected'
    if (comparison) return changes.has(line.key) ? undefined : 'faded'
    return !many && lit.size > 0 && !top(line) ? 'faded' : undefined
  }
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
              change={changes.get(line.key) ?? null}
              {...(shade ? { tone: shade } : {})}
            />
          )
        )
      })}
      {comparison && (
        <ChangeChips lines={ordered} routes={all} changeOf={(line) => changes.get(line.key) ?? null} />
      )}
      {!many && !comparison && (
        <TroubleLabels lines={scene.lines} routes={all} skip={selected?.key ?? null} />
      )}
      {!many && near && <NearLabels lines={scene.lines} routes={all} minutes={scene.minutes} />}
    </g>
  )
}

// SPDX-License-Identifier: Apache-2.0
// The lines of the map. A few hundred are drawn one by one; more are drawn together, one path per style, which
// a browser moves much faster.
import { duration, rate, share } from '../base/format'
import type { Change } from './compare'
import type { Route } from './routing'
import type { Line, Scene } from './scene'
import { textWidth } from './text'

export const TOGETHER_FROM = 500
/** From this share of errors on a line has a red part and says so. */
const TROUBLE = 0.005

/** Calls get 2.4 to 3.8 px from 10 to 1,000 a minute, by logarithm. */
function width(line: Line, minutes: number): number {
  if (line.kind !== 'calls') return 1.2
  const level = (Math.log10(Math.max(1, line.count / minutes)) - 1) / 2
  return 2.4 + 1.4 * Math.max(0, Math.min(1, level))
}

function arrow({ x, y, left }: Route['end'], size: number): string {
  const back = left ? size : -size
  return `M${x} ${y}l${back} ${-size * 0.52}v${size * 1.04}z`
}

function errorShare(line: Line): number {
  return line.count > 0 ? line.errors / line.count : 0
}

interface LineProps {
  line: Line
  route: Route
  minutes: number
  tone?: 'selected' | 'faded'
  change?: Change | null
}

export function LinePath({ line, route, minutes, tone, change }: LineProps) {
  const bad = errorShare(line)
  // In a comparison the colour tells the change.
  const part = bad >= TROUBLE && !change ? Math.sqrt(bad) : 0
  const doubled = line.kind === 'queue' || change?.kind === 'new'
  const stroke = width(line, minutes)
  return (
    <g class={`line-group ${tone ?? ''} ${change ? `changed ${change.kind}` : ''}`} data-line={line.key}>
      <path class="line-hit" d={route.d} />
      {doubled ? (
        <>
          <path class="line queue" d={route.d} />
          <path class="line queue-core" d={route.d} />
        </>
      ) : (
        <path class="line" d={route.d} stroke-width={stroke} />
      )}
      {part > 0 && (
        <path
          class="line bad"
          d={route.d}
          stroke-width={Math.max(2, stroke)}
          pathLength={1}
          stroke-dasharray={`${part} 2`}
          stroke-dashoffset={part - 1}
        />
      )}
      <path class={part > 0 ? 'arrow bad' : 'arrow'} d={arrow(route.end, line.kind === 'access' ? 7 : 9)} />
    </g>
  )
}

/** What the line carries, in a box on it: for the selected and the hovered one. */
export function LineLabel({ line, route, text, tone }: Omit<LineProps, 'minutes'> & { text: string }) {
  const first = text
  const second = line.p99 === null ? null : `p99 ${duration(line.p99)}`
  const bad = errorShare(line) >= TROUBLE ? `${share(line.errors, line.count)} err` : null
  const rows = [first, second, bad].filter((row) => row !== null)
  const wide = Math.max(...rows.map((row, index) => textWidth(row, 11, index === 0 ? 600 : 400))) + 14
  const high = rows.length * 14 + 7
  const { x, y } = route.middle
  return (
    <g class={`line-label ${tone ?? ''}`} pointer-events="none">
      <rect x={x - wide / 2} y={y - high / 2} width={wide} height={high} rx={4} />
      {rows.map((row, index) => (
        <text
          key={row}
          class={index === 0 ? 'strong' : row === bad ? 'bad' : ''}
          x={x}
          y={y - high / 2 + 14.5 + index * 14}
        >
          {row}
        </text>
      ))}
    </g>
  )
}

/** Lines with trouble say so above the target's end: one per target, the worst. */
export function TroubleLabels({
  lines,
  routes,
  skip,
}: {
  lines: Line[]
  routes: Map<string, Route>
  skip: string | null
}) {
  const worst = new Map<string, Line>()
  for (const line of lines) {
    const before = worst.get(line.to)
    if (errorShare(line) >= TROUBLE && (!before || errorShare(line) > errorShare(before)))
      worst.set(line.to, line)
  }
  return (
    <g class="trouble" pointer-events="none">
      {[...worst.values()].map((line) => {
        const route = routes.get(line.key)
        if (!route || line.key === skip) return null
        const { x, y, left, above } = route.end
        return (
          <text key={line.key} class={left ? '' : 'end'} x={x + (left ? 14 : -14)} y={above ? y + 16 : y - 8}>
            {share(line.errors, line.count)} err
          </text>
        )
      })}
    </g>
  )
}

/** The gravest change of each line, in a small box where the fan of lines has opened. */
export function ChangeChips({
  lines,
  routes,
  changeOf,
}: {
  lines: Line[]
  routes: Map<string, Route>
  changeOf: (line: Line) => Change | null
}) {
  return (
    <g class="chips" pointer-events="none">
      {lines.map((line) => {
        const route = routes.get(line.key)
        const change = changeOf(line)
        if (!route || !change) return null
        const wide = textWidth(change.chip, 11) + 12
        const { x, y } = route.middle
        return (
          <g key={line.key} class={`change-chip ${change.kind}`}>
            <rect x={x - wide / 2} y={y - 9} width={wide} height={18} rx={4} />
            <text x={x} y={y + 4}>
              {change.chip}
            </text>
          </g>
        )
      })}
    </g>
  )
}

/** Rate and p99 on every line, when the picture is near enough to read them. */
export function NearLabels({
  lines,
  routes,
  minutes,
}: {
  lines: Line[]
  routes: Map<string, Route>
  minutes: number
}) {
  return (
    <g class="near" pointer-events="none">
      {lines.map((line) => {
        const route = routes.get(line.key)
        if (!route) return null
        const tail = line.p99 === null ? '' : ` · p99 ${duration(line.p99)}`
        return (
          <text key={line.key} x={route.middle.x} y={route.middle.y - 4} font-size={8}>
            {rate(line.count / minutes)}
            {tail}
          </text>
        )
      })}
    </g>
  )
}

interface Bundle {
  key: string
  name: string
  d: string[]
  arrows: string[]
}

const TILE = 1600

/** The stretch of the picture that a line lies in; those that cross several lie in none. */
function tileOf(route: Route): string {
  const ys = route.points.filter((_, at) => at % 2 === 1)
  const top = Math.floor(Math.min(...ys) / TILE)
  return top === Math.floor(Math.max(...ys) / TILE) ? String(top) : 'long'
}

/** The more lines, the fainter each: what lies on the others must not be a wall. Troubles keep their colour. */
function inkOf(lines: number): number {
  return Math.max(0.1, Math.min(0.28, 400 / Math.max(1, lines)))
}

/** All lines in a handful of paths. */
export function LinesTogether({
  scene,
  routes,
  quiet,
}: {
  scene: Scene
  routes: Map<string, Route>
  quiet: boolean
}) {
  const bundles = new Map<string, Bundle>()
  for (const line of scene.lines) {
    const route = routes.get(line.key)
    if (!route) continue
    const name = errorShare(line) >= TROUBLE ? 'bad' : line.kind
    // Lines of one neighbourhood share a path, so that a browser need not draw those out of sight.
    const key = `${name} ${tileOf(route)}`
    const bundle = bundles.get(key) ?? { key, name, d: [], arrows: [] }
    bundle.d.push(route.d)
    bundle.arrows.push(arrow(route.end, 7))
    bundles.set(key, bundle)
  }
  return (
    <g class={`together ${quiet ? 'quiet' : ''}`} style={{ '--faint': inkOf(scene.lines.length) }}>
      {[...bundles.values()].map((bundle) => (
        <g key={bundle.key} class={bundle.name}>
          <path
            class="line"
            d={bundle.d.join('')}
            stroke-width={bundle.name === 'calls' || bundle.name === 'bad' ? 1.6 : 1}
          />
          <path class="arrow" d={bundle.arrows.join('')} />
        </g>
      ))}
    </g>
  )
}

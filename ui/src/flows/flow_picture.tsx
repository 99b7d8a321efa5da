// SPDX-License-Identifier: Apache-2.0
// The flow map: width of a line by runs, share above it and waiting below, loops under their box.
import { useMemo, useRef } from 'preact/hooks'
import { duration, exact, share } from '../base/format'
import { useSize } from '../base/size'
import { Layer } from '../map/layer'
import { cut, fit } from '../map/text'
import { useViewport, type Area } from '../map/viewport'
import { FAILED, FINISHED, START, type Drawing, type FlowLine, type StepBox } from './drawing'
import { usePan } from './pan'
import type { Flow, FlowFollow } from './types'

/** 2.2 to 6.4 px. */
function widthOf(part: number): number {
  return 2.2 + 4.2 * Math.min(1, part)
}

/** A line that climbs or falls has its text beside its end, at the side that it does not come from. */
const STEEP = 14
const ASIDE = 13

interface Places {
  anchor: 'middle' | 'end'
  x: number
  share: number
  wait: number
}

function placesOf({ end, middle }: FlowLine['route'], wide: number, waits: boolean): Places {
  const fall = end.y - middle.y
  if (Math.abs(fall) < STEEP || end.left)
    return { anchor: 'middle', x: middle.x, share: middle.y - wide / 2 - 5, wait: middle.y + wide / 2 + 13 }
  const x = end.x - ASIDE
  const above = end.y - wide / 2 - 7
  const below = end.y + wide / 2 + 14
  if (fall > 0) return { anchor: 'end', x, share: below, wait: below + 12 }
  return { anchor: 'end', x, share: waits ? above - 12 : above, wait: above }
}

function Way({ line, lit, quiet, told }: { line: FlowLine; lit: boolean; quiet: boolean; told: boolean }) {
  const { x, y, left } = line.route.end
  const wide = widthOf(line.share)
  const high = 5 + wide * 0.6
  const back = left ? 10 : -10
  const waits = line.wait !== null && line.wait > 0
  const at = placesOf(line.route, wide, waits)
  return (
    <g class={`way ${lit ? 'lit' : ''} ${quiet ? 'quiet' : ''}`} data-way={`${line.from} ${line.to}`}>
      <path class="way-line" d={line.route.d} stroke-width={wide} />
      {lit && <path class="way-run" d={line.route.d} />}
      <path class="way-arrow" d={`M${x} ${y}l${back} ${-high}v${high * 2}z`} />
      {told && (
        <text class="way-share" x={at.x} y={at.share} style={{ textAnchor: at.anchor }}>
          {share(line.count, Math.max(1, line.count / line.share))}
        </text>
      )}
      {told && waits && (
        <text class="way-wait" x={at.x} y={at.wait} style={{ textAnchor: at.anchor }}>
          {duration(line.wait ?? 0)}
        </text>
      )}
    </g>
  )
}

function Loop({ box, loop, runs, lit }: { box: StepBox; loop: FlowFollow; runs: number; lit: boolean }) {
  const middle = box.x + box.width / 2
  const y = box.y + box.height
  const part = (loop.runs ?? loop.count) / Math.max(1, runs)
  return (
    <g class={`way ${lit ? 'lit' : ''}`}>
      <path
        class="way-line"
        stroke-width={widthOf(part)}
        d={`M${middle + 26} ${y}C${middle + 34} ${y + 44} ${middle - 34} ${y + 44} ${middle - 26} ${y + 9}`}
      />
      <path class="way-arrow" d={`M${middle - 26} ${y}l-6 10h12z`} />
      <text class="way-share" x={middle} y={y + 52}>
        {share(loop.runs ?? loop.count, Math.max(1, runs))} again
      </text>
      {loop.wait && (
        <text class="way-wait" x={middle} y={y + 66}>
          {duration(loop.wait.p50_ns)}
        </text>
      )}
    </g>
  )
}

function Disc({ box, flow }: { box: StepBox; flow: Flow }) {
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2]
  const failed = box.id === FAILED
  const finished = flow.runs - flow.failures
  const [above, below] =
    box.id === START
      ? ['start', exact(flow.runs)]
      : failed
        ? ['failed', share(flow.failures, flow.runs)]
        : ['finished', share(finished, flow.runs)]
  return (
    <g class={`disc ${failed ? 'failed' : ''}`}>
      <circle class={box.id === START ? 'disc-full' : 'disc-ring'} cx={x} cy={y} r={9} />
      {box.id === FINISHED && <circle class="disc-full" cx={x} cy={y} r={4.5} />}
      {failed && <path class="disc-cross" d={`M${x - 3.5} ${y - 3.5}l7 7m0-7l-7 7`} />}
      <text x={x} y={y - 16}>
        {above}
      </text>
      <text class={box.id === START ? '' : 'strong'} x={x} y={y + 28}>
        {below}
      </text>
    </g>
  )
}

interface StepProps {
  box: StepBox
  service: string
  tone: string
  onStep: (name: string) => void
}

function Step({ box, service, tone, onStep }: StepProps) {
  const { x, y, width, height, step } = box
  if (!step) return null
  const name = fit(step.name, width - 24, 13, 600)
  const bad = (step.errors ?? 0) > 0 && (step.errors ?? 0) / Math.max(1, step.count) >= 0.005
  return (
    <g
      class={`step ${tone}`}
      role="button"
      tabIndex={0}
      aria-label={`Step ${box.number}, ${step.name}, ${service}`}
      onClick={() => {
        onStep(step.name)
      }}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return
        event.preventDefault()
        event.stopPropagation()
        onStep(step.name)
      }}
    >
      <rect class="node-shape" x={x} y={y} width={width} height={height} rx={6} />
      <text class="node-sub" x={x + 12} y={y + 17}>
        {cut(service, width - 40, 11)}
      </text>
      <text class="node-sub end" x={x + width - 12} y={y + 17}>
        {box.number}
      </text>
      <text
        class="node-name"
        x={x + 12}
        y={y + 34}
        textLength={name.textLength}
        lengthAdjust={name.textLength === undefined ? undefined : 'spacingAndGlyphs'}
      >
        {name.text}
      </text>
      <text class="node-sub" x={x + 12} y={y + 51}>
        {step.duration ? duration(step.duration.p50_ns) : ''}
      </text>
      {bad && (
        <text class="node-sub end bad" x={x + width - 12} y={y + 51}>
          {share(step.errors ?? 0, step.count)} err
        </text>
      )}
    </g>
  )
}

function areaOf(drawing: Drawing): Area {
  const boxes = [...drawing.boxes.values()]
  if (boxes.length === 0) return { x: 0, y: 0, width: 0, height: 0 }
  const left = Math.min(...boxes.map((box) => box.x))
  const top = Math.min(...boxes.map((box) => box.y)) - 30
  const looped = new Set(drawing.loops.map((loop) => loop.from))
  const bottom = Math.max(...boxes.map((box) => box.y + box.height + (looped.has(box.id) ? 70 : 34)))
  return {
    x: left,
    y: top,
    width: Math.max(...boxes.map((box) => box.x + box.width)) - left,
    height: bottom - top,
  }
}

/** A run goes through all of a group's steps, whatever their order. */
function throughGroup(steps: string[], line: FlowLine, within: Set<string>): boolean {
  const there = (end: string) => within.has(end) || end === FINISHED || end === START
  return (steps.includes(line.from) || steps.includes(line.to)) && there(line.from) && there(line.to)
}

interface PictureProps {
  flow: Flow
  drawing: Drawing
  services: Map<string, string>
  /** The steps of the run or variant shown, in its order. */
  sequence: string[]
  current: string | null
  onStep: (name: string) => void
}

export function FlowPicture({ flow, drawing, services, sequence, current, onStep }: PictureProps) {
  const root = useRef<HTMLDivElement>(null)
  const size = useSize(root)
  const area = useMemo(() => areaOf(drawing), [drawing])
  // What is too wide to be read whole begins at its start.
  const viewport = useViewport(root, area, size.value, drawing.boxes.get(START) ?? area)
  const pan = usePan(viewport)
  const pairs = new Set(sequence.slice(1).map((step, index) => `${sequence[index] ?? ''}\n${step}`))
  const within = new Set(sequence)
  const shown = sequence.length > 0
  // Ends tell their share themselves; out of steps in any order goes what went in.
  const grouped = new Set(drawing.groups.flatMap((group) => group.steps))
  const told = (line: FlowLine) => line.to !== FAILED && line.to !== FINISHED && !grouped.has(line.from)
  const lit = (line: FlowLine) =>
    pairs.has(`${line.from}\n${line.to}`) ||
    (line.from === START && line.to === sequence[0]) ||
    ((line.to === FINISHED || line.to === FAILED) && line.from === sequence.at(-1)) ||
    drawing.groups.some((group) => throughGroup(group.steps, line, within))
  return (
    <div class="map-view" ref={root} {...pan}>
      <Layer area={area} viewport={viewport} class="map-svg flow-svg" label={`Steps of ${flow.name}`}>
        {drawing.lines.map((line) => (
          <Way key={line.key} line={line} lit={lit(line)} quiet={shown && !lit(line)} told={told(line)} />
        ))}
        {drawing.loops.map((loop) => {
          const box = drawing.boxes.get(loop.from)
          const again = pairs.has(`${loop.from}\n${loop.from}`)
          return box && <Loop key={loop.from} box={box} loop={loop} runs={flow.runs} lit={again} />
        })}
        {drawing.groups.map((group) => (
          <text key={group.steps.join(' ')} class="in-parallel" x={group.x} y={group.y}>
            {group.overlap ? 'in parallel' : 'in any order'}
          </text>
        ))}
        {[...drawing.boxes.values()].map((box) =>
          box.step ? (
            <Step
              key={box.id}
              box={box}
              service={services.get(box.id) ?? ''}
              tone={box.id === current ? 'selected' : within.has(box.id) ? 'within' : shown ? 'quiet' : ''}
              onStep={onStep}
            />
          ) : (
            <Disc key={box.id} box={box} flow={flow} />
          ),
        )}
      </Layer>
    </div>
  )
}

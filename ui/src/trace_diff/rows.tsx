// SPDX-License-Identifier: Apache-2.0
// The steps of both traces as one tree: of each when it was in A (above) and in B (below), on one axis.
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { duration, exact, exactDuration } from '../base/format'
import { axisTicks } from '../trace/model'
import type { DiffStep, StepSide, TraceDiff } from './types'
import { wordOf } from './words'

const AT_ONCE = 400
const INDENT = 14
const INDENT_MOST = 140
const TICKS = 6

function Bar({ side, length, of }: { side: StepSide | null; length: number; of: 'a' | 'b' }) {
  if (!side) return null
  const percent = (ns: number) => `${((100 * ns) / length).toFixed(3)}%`
  return (
    <span
      class={`diff-bar ${of}`}
      style={{
        left: percent(side.offset_ns),
        width: percent(Math.min(side.duration_ns, length - side.offset_ns)),
      }}
      title={`${of.toUpperCase()}: +${duration(side.offset_ns)}, ${exactDuration(side.duration_ns)}, ${exact(side.spans)} spans`}
    />
  )
}

interface RowProps {
  step: DiffStep
  length: number
  indent: number
  colour: string
  chosen: boolean
}

function Row({ step, length, indent, colour, chosen }: RowProps) {
  const word = wordOf(step)
  const row = useRef<HTMLTableRowElement>(null)
  useEffect(() => {
    if (chosen) row.current?.scrollIntoView({ block: 'nearest' })
  }, [chosen])
  return (
    <tr ref={row} class={`diff-step ${word.tone} ${chosen ? 'selected' : ''}`}>
      <td class="diff-name">
        <div style={{ paddingLeft: `${step.depth * indent}px` }}>
          <span class="diff-mark" aria-hidden="true">
            {word.mark}
          </span>
          <span class="tree-mark" style={{ background: colour }} />
          <span class="tree-text" title={`${step.service} ${step.name}`}>
            <strong>{step.service}</strong> <span class="diff-operation">{step.name}</span>
          </span>
        </div>
      </td>
      <td class="diff-time">
        <Bar side={step.a} length={length} of="a" />
        <Bar side={step.b} length={length} of="b" />
      </td>
      <td class="diff-number">{step.a ? duration(step.a.duration_ns) : '–'}</td>
      <td class="diff-number">{step.b ? duration(step.b.duration_ns) : '–'}</td>
      <td class="diff-word">{word.text}</td>
    </tr>
  )
}

function Ticks({ length }: { length: number }) {
  return (
    <div class="diff-ticks" aria-hidden="true">
      {axisTicks({ from: 0, to: length }, TICKS).map((at) => (
        <span key={at} style={{ left: `${(100 * at) / length}%` }}>
          {at === 0 ? '0' : duration(at)}
        </span>
      ))}
    </div>
  )
}

interface Props {
  diff: TraceDiff
  shown: ReadonlySet<number> | null
  chosen: number | null
  colours: Map<string, string>
}

export function DiffRows({ diff, shown, chosen, colours }: Props) {
  const most = useSignal(AT_ONCE)
  const length = Math.max(1, diff.a.duration_ns, diff.b.duration_ns)
  const deepest = diff.steps.reduce((deep, step) => Math.max(deep, step.depth), 1)
  const indent = Math.min(INDENT, INDENT_MOST / deepest)
  const indices = [...diff.steps.keys()].filter((index) => shown === null || shown.has(index))
  const last = Math.max(most.value, chosen === null ? 0 : indices.indexOf(chosen) + 1)
  return (
    <div class="diff-steps" tabIndex={0} role="region" aria-label="Steps of both traces">
      <table>
        <thead>
          <tr>
            <th scope="col">Service and operation</th>
            <th scope="col" class="diff-time">
              <span class="hidden">When it was in A, above, and B, below</span>
              <Ticks length={length} />
            </th>
            <th scope="col" class="diff-number">
              <span class="window-mark">A</span>
            </th>
            <th scope="col" class="diff-number">
              <span class="window-mark b">B</span>
            </th>
            <th scope="col">Difference</th>
          </tr>
        </thead>
        <tbody>
          {indices.slice(0, last).map((index) => {
            const step = diff.steps[index]
            return (
              step && (
                <Row
                  key={index}
                  step={step}
                  length={length}
                  indent={indent}
                  colour={colours.get(step.service) ?? ''}
                  chosen={index === chosen}
                />
              )
            )
          })}
        </tbody>
      </table>
      {indices.length > last && (
        <button class="control" onClick={() => (most.value = last + AT_ONCE)}>
          Show {exact(Math.min(AT_ONCE, indices.length - last))} more of {exact(indices.length - last)}
        </button>
      )}
    </div>
  )
}

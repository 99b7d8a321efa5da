// SPDX-License-Identifier: Apache-2.0
// The run's steps in their order, each a way to its span.
import { useEffect, useRef } from 'preact/hooks'
import { duration } from '../base/format'
import { set } from '../base/route'
import type { Run } from '../flows/types'
import type { OutlineSpan } from '../trace/outline'
import { startOf } from './model'

const SHOWN = 60

export function StepList({ run, selected }: { run: Run; selected: OutlineSpan | null }) {
  const rest = run.steps.length - SHOWN
  const list = useRef<HTMLOListElement>(null)
  useEffect(() => {
    list.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }, [selected?.span_id])
  return (
    <ol class="run-step-list" aria-label="Steps of the run" ref={list}>
      {run.steps.slice(0, SHOWN).map((step, index) => {
        const here = selected?.span_id === step.span_id && selected.trace_id === step.trace_id
        return (
          <li key={`${step.span_id} ${index}`}>
            <button
              class={step.status === 'failed' || step.status === 'error' ? 'failed' : undefined}
              aria-current={here ? 'step' : undefined}
              title={`${step.step ?? ''} by ${step.service.name}, +${duration(Math.max(0, startOf(run, step)))}, ${duration(step.duration_ns)}`}
              onClick={() => {
                set({ span: step.span_id, t: null }, true)
              }}
            >
              <span class="muted">{index + 1}</span> {step.step}
            </button>
          </li>
        )
      })}
      {rest > 0 && <li class="muted run-step-rest">and {rest} more below</li>}
    </ol>
  )
}

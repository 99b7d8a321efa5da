// SPDX-License-Identifier: Apache-2.0
// What one trace is to the run.
import { durationOf, exact, exactDuration, duration, plural, shortId } from '../base/format'
import { hrefTo, set } from '../base/route'
import type { Run } from '../flows/types'
import { CopyButton } from '../frame/notice'
import { Figures, Panel, Row as PanelRow, Section } from '../frame/panel'
import type { Row } from '../trace/model'
import { startOf, type Group } from './model'

const STEPS_SHOWN = 40

interface Props {
  group: Group
  row: Row
  run: Run
  onRead: () => void
  onClose: () => void
}

const WHY: Record<string, string> = {
  waiting: 'Only its steps are shown; its spans have not been read.',
  gone: 'Its spans are no longer stored. The run keeps its steps.',
  large: 'It has more spans than can be shown together with the others. It opens by itself.',
}

export function GroupPanel({ group, row, run, onRead, onClose }: Props) {
  const steps = run.steps.filter((step) => step.trace_id === group.traceId)
  const length = row.span.duration
  const why = typeof group.loaded === 'string' ? WHY[group.loaded] : undefined
  return (
    <Panel
      title={`Trace ${shortId(group.traceId, 8, 8)}`}
      label={`Trace ${group.traceId}`}
      sub={row.span.name === '' ? 'one of the traces of this run' : `${row.span.service} ${row.span.name}`}
      onClose={onClose}
    >
      <Section>
        <Figures
          small
          figures={[
            { label: 'Duration', quantity: durationOf(length), exact: exactDuration(length) },
            { label: 'Steps', quantity: { value: exact(group.steps), unit: '' }, exact: exact(group.steps) },
            ...(why === undefined
              ? [
                  {
                    label: 'Spans',
                    quantity: { value: exact(group.spans), unit: '' },
                    exact: exact(group.spans),
                  },
                ]
              : []),
          ]}
        />
        {why !== undefined && <p class="muted">{why}</p>}
        <div class="panel-actions">
          <a class="control" href={hrefTo(['trace', group.traceId])}>
            Open the trace
          </a>
          {group.loaded === 'waiting' && (
            <button class="control" onClick={onRead}>
              Read its spans
            </button>
          )}
          <CopyButton text={group.traceId} label="Copy the trace id" />
        </div>
      </Section>
      {steps.length > 0 && (
        <Section title="Steps" note={plural(steps.length, 'step')}>
          {steps.slice(0, STEPS_SHOWN).map((step) => (
            <PanelRow
              key={step.span_id}
              left={
                <button
                  class="link"
                  onClick={() => {
                    set({ span: step.span_id }, true)
                  }}
                >
                  {step.step}
                </button>
              }
              right={
                <>
                  <span class="muted">+{duration(Math.max(0, startOf(run, step)))}</span>{' '}
                  {duration(step.duration_ns)}
                </>
              }
            />
          ))}
        </Section>
      )}
    </Panel>
  )
}

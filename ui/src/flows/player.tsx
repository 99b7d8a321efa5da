// SPDX-License-Identifier: Apache-2.0
// Goes through one run step by step: as a list and true to time, with its spans and what the step touches.
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { duration, exact } from '../base/format'
import { useKeys } from '../base/keys'
import { hrefTo, param, set } from '../base/route'
import { moment, nsBetween } from '../base/time'
import { CloseIcon, NextIcon, PauseIcon, PlayIcon, PreviousIcon } from '../frame/icons'
import { runHref } from './run_href'
import type { Flow, Run, RunSpan } from './types'

const STEP_MS = 900

export function stepShown(run: Run | null): number {
  const wanted = Number(param('step') ?? 0)
  return run ? Math.max(0, Math.min(run.steps.length - 1, Number.isInteger(wanted) ? wanted : 0)) : 0
}

function startOf(run: Run, span: RunSpan): number {
  return nsBetween(moment(run.start), moment(span.start))
}

function TimeLine({ run, at }: { run: Run; at: number }) {
  const whole = Math.max(1, run.duration_ns)
  return (
    <div class="player-time" aria-hidden="true">
      <span class="muted">0</span>
      <div class="player-bars">
        {run.steps.map((span, index) => (
          <span
            key={span.span_id}
            class={`${index === at ? 'current' : ''} ${span.status === 'failed' ? 'failed' : ''}`}
            style={{
              left: `${(100 * Math.max(0, startOf(run, span))) / whole}%`,
              width: `max(3px, ${(100 * span.duration_ns) / whole}%)`,
            }}
          />
        ))}
      </div>
      <span class="muted">{duration(run.duration_ns)}</span>
    </div>
  )
}

function Steps({ run, at, numbers }: { run: Run; at: number; numbers: Map<string, number> }) {
  return (
    <ol class="player-steps">
      {run.steps.map((span, index) => (
        <li key={`${span.span_id} ${index}`}>
          <button
            class={`${index === at ? 'current' : ''} ${span.status === 'failed' ? 'failed' : ''}`}
            aria-current={index === at ? 'step' : undefined}
            onClick={() => {
              set({ step: String(index) }, true)
            }}
          >
            <span class="player-name">{span.step ?? ''}</span>
            <span class="muted">{numbers.get(span.step ?? '') ?? ''}</span>
            <small>
              +{duration(Math.max(0, startOf(run, span)))} · {duration(span.duration_ns)}
            </small>
          </button>
        </li>
      ))}
    </ol>
  )
}

function Current({ run, at, flow }: { run: Run; at: number; flow: Flow }) {
  const span = run.steps[at]
  if (!span) return null
  const touched = flow.touches.filter((touch) => touch.step === span.step).slice(0, 4)
  return (
    <span class="player-current">
      {touched.length > 0 && (
        <span class="muted">
          touches{' '}
          {touched.map((touch, index) => (
            <span key={touch.node}>
              {index > 0 && ', '}
              <a href={hrefTo(['map'], { node: touch.node })}>{touch.name ?? touch.node}</a>
            </span>
          ))}
        </span>
      )}
      {run.traces.length > 1 && (
        <a href={runHref(flow.name, run.run_id, { span: span.span_id })}>
          Waterfall of {exact(run.traces.length)} traces
        </a>
      )}
      <a href={hrefTo(['trace', span.trace_id], { span: span.span_id })}>Open trace</a>
    </span>
  )
}

export function Player({ run, flow, numbers }: { run: Run; flow: Flow; numbers: Map<string, number> }) {
  const playing = useSignal(false)
  const at = stepShown(run)
  const last = run.steps.length - 1
  const go = (to: number) => {
    set({ step: String(Math.max(0, Math.min(last, to))) }, true)
  }
  const play = () => {
    if (!playing.value && at >= last) go(0)
    playing.value = !playing.value
  }
  useKeys({
    ArrowRight: () => {
      go(stepShown(run) + 1)
    },
    ArrowLeft: () => {
      go(stepShown(run) - 1)
    },
    p: play,
  })
  useEffect(() => {
    if (!playing.value) return
    if (at >= last) {
      playing.value = false
      return
    }
    const timer = setTimeout(() => {
      go(at + 1)
    }, STEP_MS)
    return () => {
      clearTimeout(timer)
    }
  }, [playing.value, at])
  const span = run.steps[at]
  return (
    <section class="player" aria-label={`Run ${run.run_id}`}>
      <div class="player-head">
        <button
          class="control square"
          aria-label="Previous step"
          disabled={at === 0}
          onClick={() => {
            go(at - 1)
          }}
        >
          <PreviousIcon />
        </button>
        <button
          class="control square"
          aria-label={playing.value ? 'Pause the run' : 'Play the run'}
          onClick={play}
        >
          {playing.value ? <PauseIcon /> : <PlayIcon />}
        </button>
        <button
          class="control square"
          aria-label="Next step"
          disabled={at >= last}
          onClick={() => {
            go(at + 1)
          }}
        >
          <NextIcon />
        </button>
        <span class="player-title">
          Run <code>{run.run_id}</code>{' '}
          <span class="muted">
            step {at + 1} of {run.steps.length} ·
          </span>{' '}
          <strong>{span?.step ?? ''}</strong> <span class="muted">{span?.service.name}</span>{' '}
          <span class={run.status === 'failed' ? 'bad' : 'muted'}>
            {run.status === 'failed' ? 'failed' : ''}
          </span>
        </span>
        <Current run={run} at={at} flow={flow} />
        <button
          class="plain"
          aria-label="Close the run"
          onClick={() => {
            set({ run: null, step: null })
          }}
        >
          <CloseIcon />
        </button>
      </div>
      <Steps run={run} at={at} numbers={numbers} />
      <TimeLine run={run} at={at} />
    </section>
  )
}

// SPDX-License-Identifier: Apache-2.0
// Two traces side by side: what one does that the other does not, and where the time went.
import { useMemo } from 'preact/hooks'
import { address, ApiError } from '../api/client'
import { useAnswer } from '../api/use'
import { duration, exactDuration, plural, shortId } from '../base/format'
import { useKeys } from '../base/keys'
import { go, hrefTo, hrefWith, param, set } from '../base/route'
import { dark } from '../base/theme'
import { ms, whenSeconds } from '../base/time'
import { Notice, Problem } from '../frame/notice'
import { Panel, Row, Section } from '../frame/panel'
import { serviceColours } from '../trace/colours'
import { DiffRows } from './rows'
import type { DiffSide, TraceDiff } from './types'
import { causesOf, changedOnly, signed } from './words'

const CAUSES = 12

function Side({ letter, side }: { letter: 'A' | 'B'; side: DiffSide }) {
  return (
    <Row
      left={
        <>
          <span class={letter === 'A' ? 'window-mark' : 'window-mark b'}>{letter}</span>
          <a class="mono" href={hrefTo(['trace', side.trace_id])} title={side.trace_id}>
            {shortId(side.trace_id)}
          </a>{' '}
          <span class="muted">{whenSeconds(ms(side.start))}</span>
        </>
      }
      right={
        <>
          {side.errors > 0 && <span class="bad">{plural(side.errors, 'error')} </span>}
          <span title={exactDuration(side.duration_ns)}>{duration(side.duration_ns)}</span>
        </>
      }
    />
  )
}

/** What one of them lacks looks as if it came or went in the other. */
function NotWhole({ letter, side }: { letter: 'A' | 'B'; side: DiffSide }) {
  if (!side.truncated) return null
  return (
    <p class="diff-cut" role="status">
      <strong>{letter} is not whole</strong>: {side.truncated.message}. Steps that it lacks may have been
      done.
    </p>
  )
}

function Causes({ diff, chosen }: { diff: TraceDiff; chosen: number | null }) {
  const causes = causesOf(diff.steps, CAUSES)
  const whole = diff.b.duration_ns - diff.a.duration_ns
  return (
    <Section
      title="Where the time went"
      note={`B took ${duration(Math.abs(whole))} ${whole < 0 ? 'less' : 'more'}`}
    >
      {causes.map(({ index, step, ns }) => (
        <Row
          key={index}
          left={
            <a
              href={hrefWith({ step: String(index), only: null })}
              aria-current={index === chosen ? 'true' : undefined}
            >
              <strong>{step.service}</strong> {step.name}
            </a>
          }
          right={<span class={ns > 0 ? 'change-text slower' : 'muted'}>{signed(ns)}</span>}
          title={`${step.service} ${step.name}: its own time, without what it waited for`}
        />
      ))}
      {causes.length === 0 && <p class="muted">Every step took the same time in both.</p>}
    </Section>
  )
}

function summary(diff: TraceDiff): string {
  const parts = [
    diff.added > 0 && `${plural(diff.added, 'step')} new`,
    diff.removed > 0 && `${diff.removed} gone`,
    diff.changed > 0 && `${diff.changed} changed`,
    `${diff.same} the same`,
  ]
  return parts.filter((part) => part !== false).join(', ')
}

/** The step in the address. */
function chosenOf(diff: TraceDiff): number | null {
  const wanted = Number(param('step') ?? NaN)
  return Number.isInteger(wanted) && wanted >= 0 && wanted < diff.steps.length ? wanted : null
}

function Shown({ diff }: { diff: TraceDiff }) {
  const services = [...new Set(diff.steps.map((step) => step.service))]
  const colours = useMemo(() => serviceColours(services, dark.value), [services.join(), dark.value])
  const only = param('only') === '1'
  const shown = useMemo(() => (only ? changedOnly(diff.steps) : null), [diff, only])
  const chosen = chosenOf(diff)
  const root = diff.steps[0]
  const close = () => {
    set({ step: null }, true)
  }
  /** To the next or the previous step that differs. */
  const move = (by: number) => {
    const differing = [...diff.steps.keys()].filter((index) => diff.steps[index]?.change !== 'same')
    // Asked at the time of the key: keys may come faster than the page is drawn.
    const from = chosenOf(diff) ?? (by > 0 ? -1 : diff.steps.length)
    const next =
      by > 0 ? differing.find((index) => index > from) : differing.findLast((index) => index < from)
    if (next !== undefined) set({ step: String(next) }, true)
  }
  useKeys({
    j: () => {
      move(1)
    },
    k: () => {
      move(-1)
    },
    ']': () => {
      move(1)
    },
    '[': () => {
      move(-1)
    },
    Escape: () => param('step') !== null && (close(), true),
  })
  return (
    <div class="page">
      <main class="column trace">
        <div class="trace-head">
          <nav class="trace-path" aria-label="Comparison">
            <a href={hrefTo(['traces'])}>Traces</a>
            <span class="muted" aria-hidden="true">
              ›
            </span>
            <a href={hrefTo(['trace', diff.b.trace_id])}>{root ? `${root.service} ${root.name}` : 'Trace'}</a>
            <span class="muted" aria-hidden="true">
              ›
            </span>
            <h1>Two traces</h1>
          </nav>
          <div class="trace-facts">
            <span>{summary(diff)}</span>
          </div>
        </div>
        <div class="trace-tools">
          <div class="segments" role="group" aria-label="Steps shown">
            <a href={hrefWith({ only: null })} aria-current={only ? undefined : 'true'}>
              All steps
            </a>
            <a href={hrefWith({ only: '1' })} aria-current={only ? 'true' : undefined}>
              Differences
            </a>
          </div>
          <span class="keys muted" aria-hidden="true">
            <kbd>j</kbd> <kbd>k</kbd> next difference
          </span>
        </div>
        {only && diff.changed + diff.added + diff.removed === 0 ? (
          <Notice title="Nothing differs">
            <p>Both traces have the same steps, which took about as long and failed as often.</p>
          </Notice>
        ) : (
          <DiffRows diff={diff} shown={shown} chosen={chosen} colours={colours} />
        )}
      </main>
      <Panel
        title="A against B"
        label="The two traces"
        onClose={() => {
          go(hrefTo(['trace', diff.b.trace_id]))
        }}
      >
        <Section>
          <Side letter="A" side={diff.a} />
          <Side letter="B" side={diff.b} />
          <NotWhole letter="A" side={diff.a} />
          <NotWhole letter="B" side={diff.b} />
          <div class="panel-actions">
            <a class="control" href={hrefTo(['trace', diff.b.trace_id, 'diff', diff.a.trace_id])}>
              Swap
            </a>
            <a class="control" href={hrefTo(['trace', diff.b.trace_id], { compare: '1' })}>
              Another one
            </a>
          </div>
        </Section>
        <Causes diff={diff} chosen={chosen} />
      </Panel>
    </div>
  )
}

export function TraceDiffPage({ a, b }: { a: string; b: string }) {
  const answer = useAnswer<TraceDiff>(
    address(`traces/${encodeURIComponent(a)}/diff/${encodeURIComponent(b)}`),
  )
  const data = answer.data.value
  const error = answer.error.value
  if (data) return <Shown diff={data} />
  return (
    <div class="page">
      <main class="column">
        {error instanceof ApiError && error.status === 404 ? (
          <Notice title="One of the traces is not there">
            <p>{error.message}.</p>
            <p>
              <a href={hrefTo(['traces'])}>Search traces</a>
            </p>
          </Notice>
        ) : (
          error && <Problem error={error} />
        )}
        {!error && answer.slow.value && <p class="waiting">Reading both traces…</p>}
      </main>
    </div>
  )
}

// SPDX-License-Identifier: Apache-2.0
// One run of a flow over all its traces: a waterfall with a row for each trace, hops between them, steps marked.
import { useComputed, useSignal, type Signal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { address, ApiError } from '../api/client'
import { useAnswer } from '../api/use'
import { duration, exact, exactDuration, plural, shortId } from '../base/format'
import { hrefTo, param, set } from '../base/route'
import { dark } from '../base/theme'
import { ms, whenSeconds } from '../base/time'
import { flowParams } from '../flows/definitions'
import type { Run } from '../flows/types'
import { CopyButton, Notice, Problem } from '../frame/notice'
import { serviceColours } from '../trace/colours'
import { useTreeKeys } from '../trace/keys'
import { Minimap } from '../trace/minimap'
import { visibleRows, type Row } from '../trace/model'
import { partOf, showPart } from '../trace/part'
import { SpanPanel } from '../trace/span_panel'
import { Check } from '../trace/tools'
import { Waterfall } from '../trace/waterfall'
import { GroupPanel } from './group_panel'
import { SPANS_MAX, TRACES_AT_ONCE, useTraces, type Reading } from './load'
import { runTraceOf, type RunTrace } from './model'
import { StepList } from './step_list'

/** Of more traces, each is one row at first. */
const OPEN_MOST = 12

/** A span that is chosen elsewhere (a step, a link, the address) is not left folded away. */
function useUnfold(trace: RunTrace, row: Row | undefined, folded: Signal<ReadonlySet<string>>): void {
  useEffect(() => {
    const next = new Set(folded.peek())
    for (let above = trace.rows[row?.parent ?? -1]; above; above = trace.rows[above.parent])
      next.delete(above.span.span_id)
    if (next.size < folded.peek().size) folded.value = next
  }, [row?.span.span_id])
}

function flowHref(run: Run): string {
  const defined = param('defined')
  const place = {
    env: run.environment === '' ? '-' : run.environment,
    ...(run.scope === '' ? {} : { scope: run.scope }),
  }
  return hrefTo(['flows', run.flow], { ...place, ...(defined === null ? {} : { defined }) })
}

function Head({ run, trace }: { run: Run; trace: RunTrace }) {
  const long = run.duration_ns
  return (
    <div class="trace-head">
      <nav class="trace-path" aria-label="Run">
        <a href={hrefTo(['flows'])}>Flows</a>
        <span class="muted" aria-hidden="true">
          ›
        </span>
        <a href={flowHref(run)}>{run.flow}</a>
        <span class="muted" aria-hidden="true">
          ›
        </span>
        <h1>Run {shortId(run.run_id, 12, 8)}</h1>
        <CopyButton text={run.run_id} label="Copy the run id" />
      </nav>
      <div class="trace-facts">
        <span title={run.start}>{whenSeconds(ms(run.start))}</span>
        <span title={exactDuration(long)}>
          Duration <strong>{duration(long)}</strong>
        </span>
        <span>
          Steps <strong>{exact(run.steps.length)}</strong>
        </span>
        <span>
          Traces <strong>{exact(trace.groups.length)}</strong>
        </span>
        <span>
          Services <strong>{exact(trace.services.length)}</strong>
        </span>
        {run.status === 'failed' && <span class="bad">failed</span>}
      </div>
    </div>
  )
}

/** What is not on the screen, and how it gets there. */
function Missing({ run, trace, reading }: { run: Run; trace: RunTrace; reading: Reading }) {
  const steps = trace.groups.filter((group) => typeof group.loaded === 'string')
  const waiting = steps.filter((group) => group.loaded === 'waiting')
  const large = steps.filter((group) => group.loaded === 'large').length
  const gone = steps.filter((group) => group.loaded === 'gone').length
  if (run.truncated === true || steps.length > 0) {
    const parts = [
      reading.waiting.value > 0
        ? `reading ${plural(reading.waiting.value, 'trace')}`
        : waiting.length > 0 && `of ${plural(waiting.length, 'trace')} only the steps are shown`,
      large > 0 &&
        `${plural(large, 'trace')} would be more than the ${exact(SPANS_MAX)} spans that are shown together`,
      gone > 0 && `the spans of ${plural(gone, 'trace')} are no longer stored`,
      run.truncated === true && 'the run has more than could be read',
    ].filter((part) => part !== false)
    const text = parts.join('; ')
    return (
      <p class="run-missing muted" role="status">
        {text.charAt(0).toUpperCase() + text.slice(1)}.{' '}
        {reading.waiting.value === 0 && waiting.length > 0 && (
          <button
            class="link"
            onClick={() => {
              reading.read(waiting.slice(0, TRACES_AT_ONCE).map((group) => group.traceId))
            }}
          >
            Show the spans of {Math.min(TRACES_AT_ONCE, waiting.length)} more
          </button>
        )}
      </p>
    )
  }
  return null
}

interface SideProps {
  row: Row
  run: Run
  trace: RunTrace
  colour: string
  reading: Reading
}

/** What is selected: a whole trace or a span. */
function Side({ row, run, trace, colour, reading }: SideProps) {
  const group = trace.byTrace.get(row.span.trace_id)
  const close = () => {
    set({ span: null }, true)
  }
  if (row.head !== true)
    return (
      <SpanPanel
        key={row.span.span_id}
        row={row}
        trace={trace}
        colour={colour}
        skew={false}
        within="run"
        onClose={close}
      />
    )
  if (!group) return null
  const read = () => {
    reading.read([group.traceId])
  }
  return <GroupPanel group={group} row={row} run={run} onRead={read} onClose={close} />
}

function Shown({ run }: { run: Run }) {
  const reading = useTraces(run)
  const folding = param('gaps') !== '0'
  const loaded = reading.loaded.value
  const trace = useMemo(() => runTraceOf(run, loaded, folding), [run, loaded, folding])
  const folded = useSignal<ReadonlySet<string>>(new Set(run.traces.length > OPEN_MOST ? run.traces : []))
  const now = useSignal(trace)
  if (now.peek() !== trace) now.value = trace
  const rows = useComputed(() => visibleRows(now.value, folded.value))
  const colours = useMemo(
    () => serviceColours(trace.services, dark.value),
    [trace.services.join(), dark.value],
  )
  const current = () => trace.rows[trace.bySpan.get(param('span') ?? '') ?? -1]
  const selected = current()
  useUnfold(trace, selected, folded)
  const part = partOf(trace)
  const critical = param('path') !== '0'
  const select = (row: Row) => {
    set({ span: row.span.span_id }, true)
  }
  const fold = (row: Row, on = !folded.value.has(row.span.span_id)) => {
    const next = new Set(folded.value)
    if (on) next.add(row.span.span_id)
    else next.delete(row.span.span_id)
    folded.value = next
  }
  useTreeKeys({ rows: () => rows.value, selected: current, folded: () => folded.value, select, fold }, trace)
  const foldAll = () => {
    folded.value = folded.value.size > 0 ? new Set() : new Set(trace.groups.map((group) => group.traceId))
  }
  return (
    <div class="page">
      <main class="column trace">
        <Head run={run} trace={trace} />
        <div class="trace-tools run-tools">
          <StepList run={run} selected={selected?.span ?? null} />
          <Check
            name="path"
            text="Critical path"
            on={critical}
            title="The steps that made the run as long as it was"
          />
          <Check
            name="gaps"
            text="Fold gaps"
            on={folding && trace.foldable}
            disabled={!trace.foldable}
            title={
              trace.foldable
                ? 'Stretches in which nothing happens are drawn shorter than they are'
                : 'Nothing in this run waits for long'
            }
          />
          <button class="link" onClick={foldAll}>
            {folded.value.size > 0 ? 'Unfold all' : 'Fold traces'}
          </button>
        </div>
        <Missing run={run} trace={trace} reading={reading} />
        <Minimap
          trace={trace}
          part={part}
          skew={false}
          colours={colours}
          onPart={(next) => {
            showPart(trace, next)
          }}
        />
        <Waterfall
          trace={trace}
          rows={rows}
          folded={folded}
          selected={selected?.index ?? null}
          part={part}
          critical={critical}
          skew={false}
          colours={colours}
          onSelect={select}
          onFold={(row) => {
            fold(row)
          }}
          onPart={(next) => {
            showPart(trace, next)
          }}
        />
      </main>
      {selected && (
        <Side
          row={selected}
          run={run}
          trace={trace}
          colour={colours.get(selected.span.service) ?? ''}
          reading={reading}
        />
      )}
    </div>
  )
}

export function RunPage({ flow, id }: { flow: string; id: string }) {
  const url = address(`flows/${encodeURIComponent(flow)}/runs/${encodeURIComponent(id)}`, flowParams())
  const answer = useAnswer<Run>(url)
  const run = answer.data.value
  const error = answer.error.value
  if (run) return <Shown run={run} />
  return (
    <div class="page">
      <main class="column">
        {error instanceof ApiError && error.status === 404 ? (
          <Notice title="There is no such run">
            <p>
              No span of <code>{flow}</code> with the run id <code>{id}</code> is stored. It may not have come
              yet, or has left by retention.
            </p>
            <p>
              <a href={hrefTo(['flows', flow])}>To the flow</a>
            </p>
          </Notice>
        ) : (
          error && <Problem error={error} />
        )}
        {!error && answer.slow.value && <p class="waiting">Reading the run…</p>}
      </main>
    </div>
  )
}

// SPDX-License-Identifier: Apache-2.0
import { useComputed, useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { ApiError, address } from '../api/client'
import { useAnswer } from '../api/use'
import { duration, exact, exactDuration, shortId } from '../base/format'
import { useKeys } from '../base/keys'
import { hrefTo, param, set } from '../base/route'
import { dark } from '../base/theme'
import { ms, whenSeconds } from '../base/time'
import { CopyButton, Notice, Problem } from '../frame/notice'
import { serviceColours } from './colours'
import { useTreeKeys } from './keys'
import { Minimap } from './minimap'
import { outlineOf, type OutlineAnswer } from './outline'
import { traceOf, visibleRows, type Row, type Trace } from './model'
import { partOf, showPart } from './part'
import { ChoosePanel } from '../trace_diff/choose_panel'
import { Events } from './events'
import { FlameGraph } from './flame_graph'
import { SpanPanel } from './span_panel'
import { Statistics } from './statistics'
import { Tabs, tabShown, type Tab } from './tabs'
import { TraceMap } from './trace_map'
import { Check } from './tools'
import { Waterfall, type WaterfallProps } from './waterfall'

const FOLDS_IN_ADDRESS = 60
const ID_PART = 8

/** The folded spans are part of the address as long as they are few. */
function useFolded(trace: Trace) {
  const folded = useSignal<ReadonlySet<string>>(new Set())
  useEffect(() => {
    const wanted = new Set((param('fold') ?? '').split(',').filter((part) => part !== ''))
    if (wanted.size === 0) return
    folded.value = new Set(
      trace.rows.map((row) => row.span.span_id).filter((id) => wanted.has(id.slice(0, ID_PART))),
    )
  }, [trace])
  const put = (next: Set<string>) => {
    folded.value = next
    const few = next.size > 0 && next.size <= FOLDS_IN_ADDRESS
    set({ fold: few ? [...next].map((id) => id.slice(0, ID_PART)).join(',') : null }, true)
  }
  return { folded, put }
}

function Head({ trace }: { trace: Trace }) {
  const { answer } = trace
  const root = trace.rows[0]?.span
  return (
    <div class="trace-head">
      <nav class="trace-path" aria-label="Trace">
        <a href={hrefTo(['traces'])}>Traces</a>
        <span class="muted" aria-hidden="true">
          ›
        </span>
        <h1>{root ? `${root.service} ${root.name}` : 'Trace'}</h1>
        <code class="muted" title={answer.trace_id}>
          {shortId(answer.trace_id, 8, 8)}
        </code>
        <CopyButton text={answer.trace_id} label="Copy the trace id" />
      </nav>
      <div class="trace-facts">
        <span title={answer.start}>{whenSeconds(ms(answer.start))}</span>
        <span title={exactDuration(answer.duration_ns)}>
          Duration <strong>{duration(answer.duration_ns)}</strong>
        </span>
        <span>
          Spans <strong>{exact(trace.rows.length)}</strong>
        </span>
        <span>
          Services <strong>{exact(trace.services.length)}</strong>
        </span>
        {answer.errors > 0 && (
          <span class="bad">{answer.errors === 1 ? '1 error' : `${exact(answer.errors)} errors`}</span>
        )}
        {answer.orphans > 0 && (
          <span title="Spans whose parent never came">
            {answer.orphans === 1 ? '1 orphan' : `${exact(answer.orphans)} orphans`}
          </span>
        )}
        {answer.truncated && (
          <span class="bad" title={answer.truncated.message}>
            Not whole
          </span>
        )}
      </div>
    </div>
  )
}

function Tools({ trace, critical, skew }: { trace: Trace; critical: boolean; skew: boolean }) {
  return (
    <>
      <Check name="path" text="Critical path" on={critical} />
      <Check
        name="skew"
        text="Correct clock skew"
        on={skew}
        disabled={!trace.skewed}
        title={
          trace.skewed
            ? 'Moves spans into their parents where clocks differ'
            : 'No clock is off in this trace'
        }
      />
    </>
  )
}

function Keys({ tab }: { tab: Tab }) {
  return (
    <span class="keys muted" aria-hidden="true">
      <kbd>j</kbd> <kbd>k</kbd> move
      {tab === '' && (
        <>
          {' '}
          <kbd>h</kbd> <kbd>l</kbd> fold
        </>
      )}
    </span>
  )
}

interface ViewsProps extends WaterfallProps {
  tab: Tab
  row: Row | undefined
  onNothing: () => void
}

/** What the tab shows. */
function Views({ tab, row, onNothing, ...given }: ViewsProps) {
  const { trace, part, selected, critical, skew, colours, onSelect, onPart } = given
  const timed = { trace, part, skew, colours, onPart }
  switch (tab) {
    case 'statistics':
      return <Statistics trace={trace} selected={row} colours={colours} onSelect={onSelect} />
    case 'map':
      return <TraceMap trace={trace} selected={row} onSelect={onSelect} onNothing={onNothing} />
    case 'events':
      return <Events trace={trace} selected={row} colours={colours} onSelect={onSelect} />
    case 'flame':
      return (
        <>
          <Minimap {...timed} />
          <FlameGraph {...timed} selected={selected} critical={critical} onSelect={onSelect} />
        </>
      )
    default:
      return (
        <>
          <Minimap {...timed} />
          <Waterfall {...given} />
        </>
      )
  }
}

function CompareButton({ on }: { on: boolean }) {
  return (
    <button
      class="control"
      aria-pressed={on}
      title="Compare with another trace (c)"
      onClick={() => {
        set({ compare: on ? null : '1' }, true)
      }}
    >
      Compare
    </button>
  )
}

function Shown({ trace }: { trace: Trace }) {
  const { folded, put } = useFolded(trace)
  const rows = useComputed(() => visibleRows(trace, folded.value))
  const colours = useMemo(() => serviceColours(trace.services, dark.value), [trace, dark.value])
  const current = () => trace.rows[trace.bySpan.get(param('span') ?? '') ?? -1]
  const selected = current()
  const part = partOf(trace)
  const critical = param('path') !== '0'
  const tab = tabShown()
  const timed = tab === '' || tab === 'flame'
  const skew = trace.skewed && param('skew') === '1'
  const comparing = param('compare') === '1'
  const select = (row: Row) => {
    set({ span: row.span.span_id, compare: null }, true)
  }
  useKeys({
    c: () => {
      set({ compare: comparing ? null : '1' }, true)
    },
    Escape: () => comparing && (set({ compare: null }, true), true),
  })
  const deselect = () => {
    set({ span: null }, true)
  }
  const fold = (row: Row, on = !folded.value.has(row.span.span_id)) => {
    const next = new Set(folded.value)
    if (on) next.add(row.span.span_id)
    else next.delete(row.span.span_id)
    put(next)
  }
  useTreeKeys({ rows: () => rows.value, selected: current, folded: () => folded.value, select, fold }, trace)
  return (
    <div class="page">
      <main class="column trace">
        <Head trace={trace} />
        <div class="trace-tools">
          <Tabs tab={tab} events={trace.events + trace.moreEvents} />
          {timed && <Tools trace={trace} critical={critical} skew={skew} />}
          {tab === '' && folded.value.size > 0 && (
            <button
              class="link"
              onClick={() => {
                put(new Set())
              }}
            >
              Unfold all
            </button>
          )}
          <CompareButton on={comparing} />
          <Keys tab={tab} />
        </div>
        <Views
          tab={tab}
          trace={trace}
          rows={rows}
          row={selected}
          folded={folded}
          selected={selected?.index ?? null}
          part={part}
          critical={critical}
          skew={skew}
          colours={colours}
          onSelect={select}
          onNothing={deselect}
          onFold={(row) => {
            fold(row)
          }}
          onPart={(next) => {
            showPart(trace, next)
          }}
        />
      </main>
      {comparing && <ChoosePanel trace={trace} />}
      {!comparing && selected && (
        <SpanPanel
          key={selected.index}
          row={selected}
          trace={trace}
          colour={colours.get(selected.span.service) ?? ''}
          skew={skew}
          onClose={deselect}
        />
      )}
    </div>
  )
}

function Missing({ id }: { id: string }) {
  return (
    <Notice title="There is no such trace">
      <p>
        No span with trace id <code>{id}</code> is stored. It may not have come yet, or has left by retention.
      </p>
      <p>
        <a href={hrefTo(['traces'])}>Search traces</a>
      </p>
    </Notice>
  )
}

export function TracePage({ id }: { id: string }) {
  const answer = useAnswer<OutlineAnswer>(address(`traces/${encodeURIComponent(id)}/outline`))
  const data = answer.data.value
  const trace = useMemo(
    () => (data && data.spans.span_id.length > 0 ? traceOf(outlineOf(data)) : null),
    [data],
  )
  if (trace) return <Shown trace={trace} />
  const error = answer.error.value
  const missing = (error instanceof ApiError && error.status === 404) || data !== null
  return (
    <div class="page">
      <main class="column">
        {missing ? <Missing id={id} /> : error ? <Problem error={error} /> : null}
        {!error && data === null && answer.slow.value && <p class="waiting">Reading the trace…</p>}
      </main>
    </div>
  )
}

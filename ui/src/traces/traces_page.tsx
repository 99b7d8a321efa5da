// SPDX-License-Identifier: Apache-2.0
// Search over all traces, without naming a service first. Clicks write the query; the query is the state.
import { useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { ApiError, address, get } from '../api/client'
import type { TraceItem, TraceList } from '../api/types'
import { useAnswer } from '../api/use'
import { exact, plural } from '../base/format'
import { go, hrefTo, param, set } from '../base/route'
import { pinnedPatch, timeWindow, windowParams } from '../base/window'
import { Empty } from '../frame/empty'
import { CloseIcon } from '../frame/icons'
import { NothingHere, Notice, Problem } from '../frame/notice'
import { status } from '../frame/state'
import { TraceRows } from './list'
import { FilterButton, Facets } from './facets'
import { conditions, durationText, quoted, withCondition, withoutCondition } from './query'
import { QueryField } from './query_field'
import { Scatter } from './scatter'

const PAGE = 100
const LIVE_MS = 5000

function ask(query: string): void {
  set({ q: query })
}

/** The query that is sent: with the environment of the header, when one was chosen. */
function effective(query: string): string {
  const env = param('env')
  if (env === null || env === '-') return query
  return withCondition(query, `resource.deployment.environment.name = ${quoted(env)}`)
}

function Chips({ query }: { query: string }) {
  const parts = conditions(query)
  if (parts.length === 0) return null
  return (
    <div class="query-chips" role="group" aria-label="Conditions">
      {parts.map((part) => (
        <button
          key={part}
          class="chip on"
          aria-label={`Remove ${part}`}
          onClick={() => {
            ask(withoutCondition(query, part))
          }}
        >
          {part} <CloseIcon />
        </button>
      ))}
    </div>
  )
}

/** The first page is kept fresh; older pages are added below it and kept. */
function useTraces(query: string) {
  const window = timeWindow.value
  const params = {
    q: effective(query) === '' ? null : effective(query),
    ...windowParams(window),
    limit: PAGE,
  }
  const url = address('traces', params)
  const first = useAnswer<TraceList>(url, window.live ? LIVE_MS : null)
  const older = useSignal<{ of: string; items: TraceItem[]; cursor: string | null } | null>(null)
  const busy = useSignal(false)
  const page = first.of.value === url ? first.data.value : null
  const added = older.value?.of === url ? older.value : null
  const cursor = added ? added.cursor : (page?.cursor ?? null)

  const items = useMemo(() => {
    const seen = new Set<string>()
    const all = [...(page?.items ?? []), ...(added?.items ?? [])]
    // Spans that came late may have moved a trace's start since its page was made.
    return all
      .filter((item) => !seen.has(item.trace_id) && seen.add(item.trace_id))
      .sort((a, b) => (a.start < b.start ? 1 : a.start > b.start ? -1 : 0))
  }, [page, added])
  const more = async () => {
    if (cursor === null || busy.value || !page) return
    busy.value = true
    try {
      const next = await get<TraceList>(address('traces', { ...params, cursor }))
      // The live page moves on; what it held stays in the list.
      older.value = {
        of: url,
        items: [...page.items, ...(added?.items ?? []), ...next.items],
        cursor: next.cursor ?? null,
      }
    } finally {
      busy.value = false
    }
  }
  return { first, page, items, cursor, busy, more }
}

function Nothing({ query, page }: { query: string; page: TraceList }) {
  if (query === '') return <NothingHere />
  return (
    <Notice title="No trace in this window fits the query">
      <p>
        {page.scanned_spans !== undefined && <>{exact(page.scanned_spans)} spans were looked at. </>}
        Take a condition away, or choose a longer window.
      </p>
    </Notice>
  )
}

function Sum({ items, stopped }: { items: TraceItem[]; stopped: boolean }) {
  const errors = items.filter((item) => item.errors > 0).length
  return (
    <p class="traces-sum muted" aria-live="polite">
      Newest {plural(items.length, 'trace')}
      {errors > 0 && <>, {exact(errors)} with errors</>}
      {stopped && '. The search stopped at its limit: there are more.'}
    </p>
  )
}

/** The server read the query and found it wrong. */
function refused(error: unknown): ApiError | null {
  return error instanceof ApiError && error.status >= 400 && error.status < 500 ? error : null
}

function Searching({ slow }: { slow: boolean }) {
  return slow ? <p class="waiting">Searching…</p> : null
}

function Found({ query }: { query: string }) {
  const { first, page, items, cursor, busy, more } = useTraces(query)
  const error = first.error.value
  const queryError = refused(error)
  const brush = (from: number, to: number, least: number, most: number) => {
    const longer = withCondition(query, `traceDuration >= ${durationText(least)}`)
    const both = withCondition(longer, `traceDuration <= ${durationText(most)}`)
    set({ q: both, ...pinnedPatch(from, to) })
  }
  // While the next answer is on its way the last one stays, dimmed by nothing: it is replaced in one go.
  const kept = useSignal<TraceItem[]>([])
  useEffect(() => {
    if (page) kept.value = items
  }, [page, items])
  const shown = page ? items : kept.value
  const empty = page !== null && items.length === 0
  const failed = shown.length === 0 && !queryError ? error : null
  const listed = shown.length > 0 && !empty && !queryError
  return (
    <>
      <div class="query-line">
        <QueryField query={query} error={queryError} onQuery={ask} />
        <FilterButton query={query} />
      </div>
      {!queryError && <Chips query={query} />}
      {failed && <Problem error={failed} />}
      {empty && <Nothing query={query} page={page} />}
      <Searching slow={!page && shown.length === 0 && first.slow.value} />
      {listed && (
        <>
          <Sum items={shown} stopped={page?.truncated ?? false} />
          <Scatter
            items={shown}
            onOpen={(item) => {
              go(hrefTo(['trace', item.trace_id]))
            }}
            onBrush={brush}
          />
          <TraceRows
            items={shown}
            more={cursor !== null}
            busy={busy.value}
            scanned={page?.scanned_spans}
            onFilter={(service) => {
              ask(withCondition(query, `resource.service.name = ${quoted(service)}`))
            }}
            onMore={() => void more()}
          />
        </>
      )}
    </>
  )
}

export function TracesPage() {
  const query = param('q') ?? ''
  if (status.value?.spans.stored === 0) return <Empty />
  return (
    <div class="page">
      <aside class="facets" aria-label="Filters">
        <Facets query={query} />
      </aside>
      <main class="column traces">
        <h1 class="hidden">Traces</h1>
        <Found query={query} />
      </main>
    </div>
  )
}

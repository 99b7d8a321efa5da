// SPDX-License-Identifier: Apache-2.0
// Runs of a flow, newest first.
import { useSignal } from '@preact/signals'
import { address, get } from '../api/client'
import type { List } from '../api/types'
import { useAnswer } from '../api/use'
import { duration, exactDuration, plural, shortId } from '../base/format'
import { hrefWith, param } from '../base/route'
import { ms, whenSeconds } from '../base/time'
import { timeWindow, windowParams } from '../base/window'
import { flowParams } from './definitions'
import { runHref } from './run_href'
import type { RunItem } from './types'

const PAGE = 100
const LIVE_MS = 10_000

function useRuns(name: string) {
  const window = timeWindow.value
  const params = {
    ...windowParams(window),
    ...flowParams(),
    variant: param('variant'),
    status: param('status'),
    limit: PAGE,
  }
  const path = `flows/${encodeURIComponent(name)}/runs`
  const url = address(path, params)
  const first = useAnswer<List<RunItem>>(url, window.live ? LIVE_MS : null)
  const older = useSignal<{ of: string; items: RunItem[]; cursor: string | null } | null>(null)
  const added = older.value?.of === url ? older.value : null
  const page = first.data.value
  const cursor = added ? added.cursor : (page?.cursor ?? null)
  const seen = new Set<string>()
  const items = [...(page?.items ?? []), ...(added?.items ?? [])].filter(
    (item) => !seen.has(item.run_id) && seen.add(item.run_id),
  )
  const more = async () => {
    const next = await get<List<RunItem>>(address(path, { ...params, cursor }))
    older.value = { of: url, items: [...(added?.items ?? []), ...next.items], cursor: next.cursor ?? null }
  }
  return { items, cursor, more, known: page !== null }
}

export function Runs({ name }: { name: string }) {
  const { items, cursor, more, known } = useRuns(name)
  const status = param('status')
  return (
    <div class="reading" tabIndex={0} role="region" aria-label="Runs">
      <div class="segments" role="group" aria-label="Outcome">
        <a href={hrefWith({ status: null })} aria-current={status === null ? 'true' : undefined}>
          All
        </a>
        <a href={hrefWith({ status: 'ok' })} aria-current={status === 'ok' ? 'true' : undefined}>
          Finished
        </a>
        <a href={hrefWith({ status: 'failed' })} aria-current={status === 'failed' ? 'true' : undefined}>
          Failed
        </a>
      </div>
      {known && items.length === 0 && <p class="runs-none muted">No such run in this window.</p>}
      <ol class="runs" aria-label="Runs, newest first">
        {items.map((run) => (
          <li key={run.run_id} class="run">
            <span class="muted" title={run.start}>
              {whenSeconds(ms(run.start))}
            </span>
            <a class="mono" href={hrefWith({ view: null, run: run.run_id, step: null, at: null })}>
              {shortId(run.run_id, 12, 8)}
            </a>
            <span class={run.status === 'failed' ? 'bad' : 'muted'}>
              {run.status === 'failed' ? 'failed' : 'finished'}
            </span>
            <span class="muted run-steps">{(run.sequence ?? []).join(' › ')}</span>
            <span class="number">{plural(run.steps, 'step')}</span>
            <span class="number" title={exactDuration(run.duration_ns)}>
              {duration(run.duration_ns)}
            </span>
            <span class="number">
              <a
                href={runHref(name, run.run_id)}
                title="All its traces as one waterfall"
                aria-label={`Waterfall of run ${run.run_id}`}
              >
                {plural(run.traces.length, 'trace')}
              </a>
            </span>
          </li>
        ))}
      </ol>
      {cursor !== null && (
        <button class="control" onClick={() => void more()}>
          Show older
        </button>
      )}
    </div>
  )
}

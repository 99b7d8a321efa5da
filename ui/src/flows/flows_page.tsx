// SPDX-License-Identifier: Apache-2.0
// The business flows with their runs.
import { useSignal } from '@preact/signals'
import { address, ApiError } from '../api/client'
import type { List } from '../api/types'
import { useAnswer } from '../api/use'
import { duration, exact, exactDuration, share } from '../base/format'
import { hrefTo, param } from '../base/route'
import { ms, when } from '../base/time'
import { timeWindow, windowParams } from '../base/window'
import { Dock } from '../dock/dock'
import { Empty } from '../frame/empty'
import { Notice, Problem } from '../frame/notice'
import { Sortable, type Column } from '../frame/sortable'
import { status } from '../frame/state'
import { Define } from './define'
import { SmallHistory } from './small_history'
import { flowPlace } from './run_href'
import type { FlowItem } from './types'

const LIVE_MS = 10_000

function placeOf(item: FlowItem): string {
  return [item.environment, item.scope === 'default' ? '' : item.scope]
    .filter((part) => part !== '')
    .join(' · ')
}

const COLUMNS: Column<FlowItem>[] = [
  {
    title: 'Flow',
    value: (item) => item.name,
    show: (item) => (
      <>
        <a href={hrefTo(['flows', item.name], flowPlace(item))}>
          <strong>{item.name}</strong>
        </a>{' '}
        <span class="muted">{placeOf(item)}</span>
        {item.defined === true && (
          <span class="muted">
            {' '}
            · defined here{item.truncated === true && ', more runs than could be read'}
          </span>
        )}
      </>
    ),
  },
  {
    title: 'Over the window',
    value: (item) => item.runs,
    show: (item) => <SmallHistory item={item} />,
  },
  { title: 'Runs', number: true, value: (item) => item.runs, show: (item) => exact(item.runs) },
  {
    title: 'Finished',
    number: true,
    value: (item) => (item.runs > 0 ? 1 - item.failures / item.runs : 0),
    show: (item) => share(item.runs - item.failures, item.runs),
    exact: (item) => `${exact(item.runs - item.failures)} of ${exact(item.runs)}`,
  },
  {
    title: 'Failed',
    number: true,
    value: (item) => item.failures,
    show: (item) => <span class={item.failures > 0 ? 'bad' : 'muted'}>{exact(item.failures)}</span>,
  },
  ...(['p50_ns', 'p99_ns'] as const).map((key): Column<FlowItem> => ({
    title: key === 'p50_ns' ? 'p50' : 'p99',
    number: true,
    value: (item) => item.duration?.[key] ?? -1,
    show: (item) => (item.duration ? duration(item.duration[key]) : '–'),
    exact: (item) => (item.duration ? exactDuration(item.duration[key]) : ''),
  })),
  { title: 'Steps', number: true, value: (item) => item.steps, show: (item) => exact(item.steps) },
  { title: 'Variants', number: true, value: (item) => item.variants, show: (item) => exact(item.variants) },
  {
    title: 'Last',
    number: true,
    value: (item) => item.last_seen ?? '',
    show: (item) => (item.last_seen === undefined ? '' : when(ms(item.last_seen))),
  },
]

function NoFlows() {
  return (
    <Notice title="No flows ran in this window">
      <p>
        A flow is what the system does for somebody, over all its services: name it on the spans of its steps
        with <code>coordimap.flow.name</code> and <code>coordimap.flow.step</code>, or define it below over
        the spans that are there.
      </p>
      <p class="muted">If there are flows, choose a longer window.</p>
    </Notice>
  )
}

/** Flows of attributes are known at once; those that people defined are evaluated, which may take a while. */
function useFlows() {
  const window = timeWindow.value
  const url = (defined: boolean) => address('flows', { ...windowParams(window), limit: 1000, defined })
  const every = window.live ? LIVE_MS : null
  const named = useAnswer<List<FlowItem>>(url(false), every)
  const defined = useAnswer<List<FlowItem>>(url(true), every)
  const first = named.data.value?.items
  return {
    all: first && [...first, ...(defined.data.value?.items ?? [])],
    waiting: defined.data.value === null && defined.slow.value,
    evaluated: defined.data.value !== null || defined.error.value !== null,
    error: named.error.value ?? defined.error.value,
  }
}

function FlowTable() {
  const { all, waiting, evaluated, error } = useFlows()
  const env = param('env')
  const scope = param('scope')
  const fits = (wanted: string | null, value: string) =>
    wanted === null || (wanted === '-' ? '' : wanted) === value
  const items = all?.filter((item) => fits(env, item.environment) && fits(scope, item.scope))
  return (
    <>
      {error && (!items || error instanceof ApiError) && <Problem error={error} />}
      {items && !error && evaluated && items.length === 0 && <NoFlows />}
      {waiting && (
        <p class="muted" role="status">
          Evaluating the flows that are defined here…
        </p>
      )}
      {items && items.length > 0 && (
        <Sortable
          caption="Flows"
          bare
          rows={items}
          columns={COLUMNS}
          id={(item) => `${item.name} ${item.scope} ${item.environment} ${String(item.defined === true)}`}
        />
      )}
    </>
  )
}

export function FlowsPage() {
  const saves = useSignal(0)
  if (status.value?.spans.stored === 0) return <Empty />
  return (
    <div class="page">
      <main class="column">
        <div class="reading" tabIndex={0} role="region" aria-label="Flows">
          <div class="reading-head">
            <h1>Flows</h1>
          </div>
          {/* A new one asks anew. */}
          <FlowTable key={saves.value} />
          <Define
            changed={() => {
              saves.value++
            }}
          />
        </div>
        <Dock answer={null} />
      </main>
    </div>
  )
}

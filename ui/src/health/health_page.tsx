// SPDX-License-Identifier: Apache-2.0
// Contract health: what instrumentation does wrong, how often, what to change, and a trace that shows it.
import { AlertsView, FiringAlerts } from '../alerts/alerts_view'
import { address, ApiError } from '../api/client'
import type { ContractItem, List } from '../api/types'
import { useAnswer } from '../api/use'
import { exact, plural, share, shortId } from '../base/format'
import { hrefTo, hrefWith, param } from '../base/route'
import { timeWindow, windowParams } from '../base/window'
import { Empty } from '../frame/empty'
import { Notice, Problem } from '../frame/notice'
import { status } from '../frame/state'
import { placeParams } from '../map/place'

const LIVE_MS = 15_000

/** By what the map loses through it. */
const CODES: Record<string, [title: string, meaning: string]> = {
  broken_queue_context: [
    'Queues cut traces in two',
    'Consumers carry no link to what they consume, so no hop can be told.',
  ],
  orphans: [
    'Spans without their parent',
    'Their parent was never received: an edge of the map may be missing.',
  ],
  unresolved_peer: ['Calls to nobody', 'Outgoing calls do not say whom they call.'],
  unknown_service: ['Spans without a service', 'They cannot be put on the map by name.'],
  missing_environment: ['No environment', 'Test and production fall together.'],
  clock_skew: [
    'Clocks that differ',
    'Spans begin before their parents; times between hosts cannot be trusted.',
  ],
  over_spanning: ['Too many spans', 'Spans that tell nothing cost space and hide the rest.'],
  step_without_flow: ['Steps without a flow', 'The span names a step and no flow that it belongs to.'],
  missing_run_id: ['Runs told apart by trace', 'Without a run id each trace is a run of its own.'],
  dynamic_name: [
    'Names that change',
    'Flows and steps are told apart by name: a name with an id in it is always new.',
  ],
}
const ORDER = Object.keys(CODES)

function titleOf(code: string): [string, string] {
  const text = code.replaceAll('_', ' ')
  return CODES[code] ?? [text.charAt(0).toUpperCase() + text.slice(1), '']
}

function Finding({ item }: { item: ContractItem }) {
  return (
    <li class="finding">
      <span class="finding-subject">
        {item.node === undefined ? (
          <strong>{item.subject}</strong>
        ) : (
          <a href={hrefTo(['map'], { node: item.node })}>
            <strong>{item.subject}</strong>
          </a>
        )}
        {item.environment !== undefined && item.environment !== '' && (
          <span class="muted"> {item.environment}</span>
        )}
      </span>
      <span class="finding-count" title={exact(item.count)}>
        {plural(item.count, 'span')}
        {item.spans !== undefined && item.spans > 0 && (
          <span class="muted"> · {share(item.count, item.spans)}</span>
        )}
      </span>
      <span class="finding-change">{item.what_to_change}</span>
      <span class="finding-trace">
        {item.example_trace && (
          <a class="mono" href={hrefTo(['trace', item.example_trace])} title={item.example_trace}>
            {shortId(item.example_trace)}
          </a>
        )}
      </span>
    </li>
  )
}

function Group({ code, items }: { code: string; items: ContractItem[] }) {
  const [title, meaning] = titleOf(code)
  return (
    <section class="finding-group" aria-label={title}>
      <h2>
        {title} <code class="muted">{code}</code>
      </h2>
      {meaning !== '' && <p class="muted">{meaning}</p>}
      <ol>
        {items.map((item) => (
          <Finding
            key={`${item.code} ${item.subject} ${item.environment ?? ''} ${item.scope ?? ''}`}
            item={item}
          />
        ))}
      </ol>
    </section>
  )
}

function place(code: string): number {
  const at = ORDER.indexOf(code)
  return at < 0 ? ORDER.length : at
}

function Findings({ items }: { items: ContractItem[] }) {
  if (items.length === 0) {
    return (
      <Notice title="Nothing to mend">
        <p>Every span of this window says what the map needs: parents, peers, queues, environment, clocks.</p>
      </Notice>
    )
  }
  const groups = new Map<string, ContractItem[]>()
  for (const item of [...items].sort((a, b) => b.count - a.count))
    groups.set(item.code, [...(groups.get(item.code) ?? []), item])
  return (
    <>
      {[...groups]
        .sort((a, b) => place(a[0]) - place(b[0]))
        .map(([code, list]) => (
          <Group key={code} code={code} items={list} />
        ))}
    </>
  )
}

function Instrumentation() {
  const window = timeWindow.value
  const url = address('contract', { ...windowParams(window), ...placeParams(), limit: 500 })
  const answer = useAnswer<List<ContractItem>>(url, window.live ? LIVE_MS : null)
  const items = answer.data.value?.items
  const error = answer.error.value
  return (
    <>
      <FiringAlerts />
      {items && items.length > 0 && (
        <p class="muted findings-count">
          {plural(items.length, 'finding')}: what to change so that the map is complete
        </p>
      )}
      {error && (!items || error instanceof ApiError) ? (
        <Problem error={error} />
      ) : items ? (
        <Findings items={items} />
      ) : (
        answer.slow.value && <p class="waiting">Looking at the instrumentation…</p>
      )}
    </>
  )
}

export function HealthPage() {
  if (status.value?.spans.stored === 0) return <Empty />
  const alerts = param('view') === 'alerts'
  return (
    <div class="page">
      <main class="column">
        <div class="reading" tabIndex={0} role="region" aria-label="Health">
          <div class="reading-head">
            <h1>Health</h1>
            <div class="segments" role="group" aria-label="Health of">
              <a href={hrefWith({ view: null })} aria-current={alerts ? undefined : 'true'}>
                Instrumentation
              </a>
              <a href={hrefWith({ view: 'alerts' })} aria-current={alerts ? 'true' : undefined}>
                Alerts
              </a>
            </div>
          </div>
          {alerts ? <AlertsView /> : <Instrumentation />}
        </div>
      </main>
    </div>
  )
}

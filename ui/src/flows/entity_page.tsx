// SPDX-License-Identifier: Apache-2.0
// Everything that touched one business object, in the order of time: traces with what they did, and their runs.
import { address, ApiError } from '../api/client'
import type { TraceItem, TraceList } from '../api/types'
import { useAnswer } from '../api/use'
import { duration, exactDuration, plural, shortId } from '../base/format'
import { hrefTo } from '../base/route'
import { moment, ms, nsBetween, whenSeconds } from '../base/time'
import { ErrorIcon } from '../frame/icons'
import { Notice, Problem } from '../frame/notice'
import { quoted } from '../traces/query'
import type { Entity, RunName } from './types'

/** As many as the search gives at once. */
const TOLD_MOST = 1000
/** Traces are searched up to this after the last one began. */
const AFTER_MS = 1000

function RunLink({ run }: { run: RunName }) {
  return (
    <a href={hrefTo(['run', run.flow, run.run_id])}>
      {run.flow} <span class="mono">{shortId(run.run_id, 8, 4)}</span>
    </a>
  )
}

type Touch = Entity['traces'][number]

/** What the search tells of the traces: what they did, how long, whether they failed. */
function useTold(type: string, id: string, traces: Touch[]): Map<string, TraceItem> {
  const first = traces[0]
  const last = traces.at(-1)
  const list = useAnswer<TraceList>(
    first && last
      ? address('traces', {
          q: `{ span.entity.type = ${quoted(type)} && span.entity.id = ${quoted(id)} }`,
          from: new Date(ms(first.start)).toISOString(),
          to: new Date(ms(last.start) + AFTER_MS).toISOString(),
          limit: TOLD_MOST,
        })
      : null,
  )
  return new Map((list.data.value?.items ?? []).map((item) => [item.trace_id, item]))
}

interface ItemProps {
  trace: Touch
  before: Touch | undefined
  told: TraceItem | undefined
}

function Item({ trace, before, told }: ItemProps) {
  const later = before ? nsBetween(moment(before.start), moment(trace.start)) : 0
  return (
    <li class="entity-item">
      <span class="entity-when" title={trace.start}>
        {whenSeconds(ms(trace.start))}
      </span>
      <span class="muted entity-later">{before && `+${duration(Math.max(0, later))}`}</span>
      <a class="entity-trace" href={hrefTo(['trace', trace.trace_id])}>
        {told ? (
          <>
            <strong>{told.root_service ?? ''}</strong> {told.root_name ?? 'root span missing'}
          </>
        ) : (
          <span class="mono">{shortId(trace.trace_id, 8, 8)}</span>
        )}
      </a>
      <span class="entity-runs">
        {trace.runs.map((run) => (
          <RunLink key={`${run.flow} ${run.run_id}`} run={run} />
        ))}
      </span>
      <span class="entity-errors bad">
        {told && told.errors > 0 && (
          <>
            <ErrorIcon /> {plural(told.errors, 'error')}
          </>
        )}
      </span>
      <span class="entity-duration" title={told && exactDuration(told.duration_ns)}>
        {told && duration(told.duration_ns)}
      </span>
    </li>
  )
}

function List({ entity, type, id }: { entity: Entity; type: string; id: string }) {
  const told = useTold(type, id, entity.traces)
  return (
    <ol class="runs" aria-label="In the order of time">
      {entity.traces.map((trace, index) => (
        <Item
          key={trace.trace_id}
          trace={trace}
          before={entity.traces[index - 1]}
          told={told.get(trace.trace_id)}
        />
      ))}
    </ol>
  )
}

export function EntityPage({ type, id }: { type: string; id: string }) {
  const url = address(`entities/${encodeURIComponent(type)}/${encodeURIComponent(id)}`)
  const answer = useAnswer<Entity>(url)
  const entity = answer.data.value
  const error = answer.error.value
  const missing = error instanceof ApiError && error.status === 404
  return (
    <div class="page">
      <main class="column">
        <div class="reading" tabIndex={0} role="region" aria-label={`${type} ${id}`}>
          <div class="reading-head">
            <h1>
              {type} {id}
            </h1>
            {entity && (
              <p class="muted">
                {plural(entity.traces.length, 'trace')}, {plural(entity.runs.length, 'run')}
              </p>
            )}
          </div>
          {missing && (
            <Notice title="Nothing touched it">
              <p>
                Spans name a business object by <code>entity.type</code> and <code>entity.id</code>.
              </p>
            </Notice>
          )}
          {error && !missing && <Problem error={error} />}
          {entity && <List entity={entity} type={type} id={id} />}
          {entity?.truncated === true && <p class="muted">There are more; these are the first.</p>}
        </div>
      </main>
    </div>
  )
}

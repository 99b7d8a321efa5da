// SPDX-License-Identifier: Apache-2.0
// Everything that touched one business object, in the order of time.
import { address, ApiError } from '../api/client'
import { useAnswer } from '../api/use'
import { plural, shortId } from '../base/format'
import { hrefTo } from '../base/route'
import { ms, whenSeconds } from '../base/time'
import { Notice, Problem } from '../frame/notice'
import type { Entity, RunName } from './types'

function RunLink({ run }: { run: RunName }) {
  return (
    <a href={hrefTo(['run', run.flow, run.run_id])}>
      {run.flow} <span class="mono">{shortId(run.run_id, 8, 4)}</span>
    </a>
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
          {entity && (
            <ol class="runs" aria-label="In the order of time">
              {entity.traces.map((trace) => (
                <li key={trace.trace_id} class="entity-item">
                  <span class="muted">{whenSeconds(ms(trace.start))}</span>
                  <a class="mono" href={hrefTo(['trace', trace.trace_id])}>
                    {shortId(trace.trace_id, 8, 8)}
                  </a>
                  <span class="entity-runs">
                    {trace.runs.map((run) => (
                      <RunLink key={`${run.flow} ${run.run_id}`} run={run} />
                    ))}
                  </span>
                </li>
              ))}
            </ol>
          )}
          {entity?.truncated === true && <p class="muted">There are more; these are the first.</p>}
        </div>
      </main>
    </div>
  )
}

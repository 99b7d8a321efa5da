// SPDX-License-Identifier: Apache-2.0
// The traces found, newest first.
import type { TraceItem } from '../api/types'
import { duration, exact, exactDuration, plural, short } from '../base/format'
import { hrefTo } from '../base/route'
import { clockSeconds, day, ms } from '../base/time'
import { ErrorIcon } from '../frame/icons'

const SERVICES_SHOWN = 4
/** From here on a round number has to do. */
const MANY = 10_000

function Services({ item, onFilter }: { item: TraceItem; onFilter: (service: string) => void }) {
  const shown = item.services.slice(0, SERVICES_SHOWN)
  const more = item.services.length - shown.length
  return (
    <span class="trace-services">
      {shown.map((service) => (
        <button
          key={service.name}
          class="chip"
          title={`${plural(service.spans, 'span')} of ${service.name}. Press to keep only traces with it.`}
          onClick={() => {
            onFilter(service.name)
          }}
        >
          {service.name}
        </button>
      ))}
      {more > 0 && (
        <span
          class="muted"
          title={item.services
            .slice(SERVICES_SHOWN)
            .map((service) => service.name)
            .join(', ')}
        >
          +{more}
        </span>
      )}
    </span>
  )
}

function Item({
  item,
  longest,
  dated,
  onFilter,
}: {
  item: TraceItem
  longest: number
  dated: boolean
  onFilter: (service: string) => void
}) {
  const at = ms(item.start)
  const root = item.root_name ?? 'root span missing'
  return (
    <li class="trace-item">
      <span class="trace-when" title={item.start}>
        {dated && <span class="muted">{day(at)} </span>}
        {clockSeconds(at)}
      </span>
      <a class="trace-root" href={hrefTo(['trace', item.trace_id])}>
        <strong>{item.root_service ?? ''}</strong> {root}
      </a>
      <Services item={item} onFilter={onFilter} />
      <span class="trace-errors">
        {item.errors > 0 && (
          <span class="bad">
            <ErrorIcon /> {plural(item.errors, 'error')}
          </span>
        )}
        {item.orphans > 0 && (
          <span class="muted" title="Spans whose parent has not come">
            {plural(item.orphans, 'orphan')}
          </span>
        )}
      </span>
      <span class="trace-count muted" title={plural(item.spans, 'span')}>
        {item.spans < MANY ? plural(item.spans, 'span') : `${short(item.spans)} spans`}
      </span>
      <span class="trace-duration" title={exactDuration(item.duration_ns)}>
        <span
          class="trace-bar"
          style={{ transform: `scaleX(${Math.max(0.01, item.duration_ns / longest)})` }}
        />
        <span>{duration(item.duration_ns)}</span>
      </span>
    </li>
  )
}

interface Props {
  items: TraceItem[]
  more: boolean
  busy: boolean
  scanned: number | undefined
  onFilter: (service: string) => void
  onMore: () => void
}

export function TraceRows({ items, more, busy, scanned, onFilter, onMore }: Props) {
  const longest = Math.max(1, ...items.map((item) => item.duration_ns))
  const dated = new Set(items.map((item) => day(ms(item.start)))).size > 1
  return (
    <>
      <ol class="trace-list" aria-label="Traces, newest first">
        {items.map((item) => (
          <Item key={item.trace_id} item={item} longest={longest} dated={dated} onFilter={onFilter} />
        ))}
      </ol>
      <div class="trace-foot">
        {more ? (
          <button class="control" onClick={onMore} disabled={busy}>
            Show older
          </button>
        ) : (
          <span class="muted">These are all.</span>
        )}
        {scanned !== undefined && <span class="muted">{exact(scanned)} spans looked at</span>}
      </div>
    </>
  )
}

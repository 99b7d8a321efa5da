// SPDX-License-Identifier: Apache-2.0
// A span against the last day of its operation: where its duration stands among those of all requests.
import { address } from '../api/client'
import type { List, Quantiles, ServiceOperations, Span } from '../api/types'
import { useAnswer } from '../api/use'
import { duration, exactDuration } from '../base/format'
import { Section } from '../frame/panel'
import type { Moment } from '../base/time'
import type { Row } from './model'
import { placeOf } from './place'
import { useRested } from './rest'

const MINUTE_MS = 60e3
const DAY_MS = 86_400e3
/** As many as the server tells of a service. */
const OPERATIONS_MOST = 1000
const WIDTH = 312
const LABEL_ROOM = 40

/** Requests are told by the map; of spans inside of a service and of calls to others it keeps no durations. */
function isRequest({ kind }: Span, { depth }: Row): boolean {
  return kind === 'server' || kind === 'consumer' || depth === 0
}

function verdict(ns: number, { p50_ns, p90_ns, p99_ns }: Quantiles): string {
  if (ns > p99_ns) return 'slower than 99 %'
  if (ns > p90_ns) return 'slower than 90 %'
  if (ns > p50_ns) return 'slower than half'
  return 'faster than half'
}

/** By logarithm, from a third of the median to the slower of the slowest percent and the span itself. */
function placing(ns: number, { p50_ns, p99_ns }: Quantiles): (at: number) => number {
  const least = Math.log(Math.max(1, Math.min(ns, p50_ns / 3)))
  const most = Math.log(Math.max(ns, p99_ns, 2) * 1.15)
  return (at) => ((Math.log(Math.max(1, at)) - least) / Math.max(1e-9, most - least)) * WIDTH
}

function Scale({ ns, of }: { ns: number; of: Quantiles }) {
  const place = placing(ns, of)
  const marks: [string, number][] = [
    ['p50', of.p50_ns],
    ['p90', of.p90_ns],
    ['p99', of.p99_ns],
  ]
  let taken = -Infinity
  return (
    <svg class="against" viewBox={`0 0 ${WIDTH} 40`} aria-hidden="true">
      <path class="against-line" d={`M0 12.5H${WIDTH}`} />
      <path class="against-usual" d={`M${place(of.p50_ns)} 12.5H${place(of.p99_ns)}`} />
      {marks.map(([name, at]) => {
        const x = place(at)
        // Of words that would touch, the first stays; the others are told by the note and the title.
        const told = x - taken >= LABEL_ROOM
        if (told) taken = x
        return (
          <g key={name}>
            <path class="against-tick" d={`M${x} 8v9`} />
            {told && (
              <text x={Math.max(10, Math.min(WIDTH - 10, x))} y={32}>
                {name}
              </text>
            )}
            <title>{`${name} ${duration(at)}`}</title>
          </g>
        )
      })}
      <path class={ns > of.p90_ns ? 'against-own slow' : 'against-own'} d={`M${place(ns)} 3v19`} />
    </svg>
  )
}

/** The day up to the minute in which the span ended: one address for all spans of a minute. */
function dayOf(at: number): { from: string; to: string } {
  const to = (Math.floor(at / MINUTE_MS) + 1) * MINUTE_MS
  return { from: new Date(to - DAY_MS).toISOString(), to: new Date(to).toISOString() }
}

interface AgainstProps {
  row: Row
  span: Span
  origin: Moment
}

/** Mounted for each span anew. */
export function Against({ row, span, origin }: AgainstProps) {
  const rested = useRested()
  const { service } = row.span
  const day = dayOf(origin.ms + (row.at + row.span.duration) / 1e6)
  const url =
    rested && isRequest(span, row) ? address('operations', { service, ...day, limit: OPERATIONS_MOST }) : null
  const answer = useAnswer<List<ServiceOperations>>(url)
  const place = placeOf(span.resource?.attributes ?? [])
  const of = answer.data.value?.items
    .find(
      (item) =>
        item.name === service &&
        item.namespace === place.namespace &&
        item.environment === place.environment &&
        item.scope === place.scope,
    )
    ?.busiest.find((item) => item.name === span.name && (item.requests ?? 0) > 1)?.duration
  if (!of) return null
  const text = verdict(row.span.duration, of)
  return (
    <Section title="Against its last day" note={text}>
      <Scale ns={row.span.duration} of={of} />
      <p
        class="muted"
        title={`p50 ${exactDuration(of.p50_ns)}, p90 ${exactDuration(of.p90_ns)}, p99 ${exactDuration(of.p99_ns)}`}
      >
        p50 {duration(of.p50_ns)} · p90 {duration(of.p90_ns)} · p99 {duration(of.p99_ns)}
      </p>
    </Section>
  )
}

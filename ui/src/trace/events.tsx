// SPDX-License-Identifier: Apache-2.0
// Every event of the trace in the order of time.
import { useSignal } from '@preact/signals'
import { useMemo } from 'preact/hooks'
import type { SpanEvent } from '../api/types'
import { duration, exact, plural } from '../base/format'
import { detailOf, useDetails } from './details'
import type { Row, Trace } from './model'
import { valueText } from './values'

const AT_ONCE = 300
const TEXT_MOST = 240
const CUT_TOLD = 5

interface Entry {
  at: number
  row: Row
  name: string
  /** Which of the span's events it is. */
  number: number
}

function entriesOf(trace: Trace): Entry[] {
  const out: Entry[] = []
  for (const row of trace.rows)
    for (const [number, { offset, name }] of row.span.events.entries())
      out.push({ at: offset, row, name, number })
  return out.sort((a, b) => a.at - b.at)
}

function textOf(event: SpanEvent | undefined): string {
  const pairs = event?.attributes ?? []
  const get = (key: string) => valueText(pairs.find((pair) => pair.key === key)?.value)
  if (event?.name === 'exception')
    return [get('exception.type'), get('exception.message')].filter((part) => part !== '').join(': ')
  return pairs.map((pair) => `${pair.key}=${valueText(pair.value)}`).join('  ')
}

/** Of a span with very many events the first are told; all of them stand in its panel. */
function More({ trace, onSelect }: Pick<EventsProps, 'trace' | 'onSelect'>) {
  const cut = trace.rows.filter((row) => row.span.moreEvents > 0)
  return (
    <ul class="events-more muted">
      {cut.slice(0, CUT_TOLD).map((row) => (
        <li key={row.index}>
          {plural(row.span.moreEvents, 'more event')} of{' '}
          <button
            class="link"
            onClick={() => {
              onSelect(row)
            }}
          >
            {row.span.service} {row.span.name}
          </button>
        </li>
      ))}
      {cut.length > CUT_TOLD && <li>and of {plural(cut.length - CUT_TOLD, 'other span')}</li>}
    </ul>
  )
}

interface EventsProps {
  trace: Trace
  selected: Row | undefined
  colours: Map<string, string>
  onSelect: (row: Row) => void
}

export function Events({ trace, selected, colours, onSelect }: EventsProps) {
  const entries = useMemo(() => entriesOf(trace), [trace])
  const shown = useSignal(AT_ONCE)
  const seen = entries.slice(0, shown.value)
  useDetails(seen.map((entry) => entry.row.span))
  if (entries.length === 0) {
    return (
      <div class="trace-view">
        <p class="muted">No span of this trace has events.</p>
      </div>
    )
  }
  return (
    <div class="trace-view" tabIndex={0} role="region" aria-label="Events">
      <ol class="events" aria-label={`${exact(entries.length)} events in the order of time`}>
        {seen.map(({ at, row, name, number }, index) => (
          <li key={index} class={row.index === selected?.index ? 'selected' : undefined}>
            <button
              onClick={() => {
                onSelect(row)
              }}
            >
              <span class="events-at">+{duration(at)}</span>
              <span class={name === 'exception' ? 'mono bad' : 'mono'}>{name}</span>
              <span class="events-span">
                <span class="tree-mark" style={{ background: colours.get(row.span.service) ?? '' }} />
                <strong>{row.span.service}</strong> {row.span.name}
              </span>
              <span class="events-text muted">
                {textOf(detailOf(row.span)?.events?.[number]).slice(0, TEXT_MOST)}
              </span>
            </button>
          </li>
        ))}
      </ol>
      {trace.moreEvents > 0 && <More trace={trace} onSelect={onSelect} />}
      {entries.length > shown.value && (
        <button class="control" onClick={() => (shown.value += AT_ONCE)}>
          Show {exact(Math.min(AT_ONCE, entries.length - shown.value))} more of{' '}
          {exact(entries.length - shown.value)}
        </button>
      )}
    </div>
  )
}

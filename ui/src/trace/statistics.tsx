// SPDX-License-Identifier: Apache-2.0
// Where the time of a trace went: its spans summed up by service and operation.
import { useMemo } from 'preact/hooks'
import { duration, exact, exactDuration, share } from '../base/format'
import { hrefWith, param } from '../base/route'
import { Sortable, type Column } from '../frame/sortable'
import type { Row, Trace } from './model'

interface Sum {
  key: string
  service: string
  name: string
  rows: Row[]
  errors: number
  total: number
  self: number
  critical: number
  longest: Row
}

export function sumsOf(trace: Trace, byService: boolean): Sum[] {
  const sums = new Map<string, Sum>()
  for (const row of trace.rows) {
    const { service } = row.span
    const name = byService ? '' : row.span.name
    const key = `${service}\n${name}`
    const sum = sums.get(key) ?? {
      key,
      service,
      name,
      rows: [],
      errors: 0,
      total: 0,
      self: 0,
      critical: 0,
      longest: row,
    }
    sum.rows.push(row)
    sum.errors += row.error ? 1 : 0
    sum.total += row.duration
    sum.self += row.span.self
    sum.critical += row.span.criticalTime
    if (row.duration > sum.longest.duration) sum.longest = row
    sums.set(key, sum)
  }
  return [...sums.values()]
}

function time(title: string, value: (sum: Sum) => number): Column<Sum> {
  return {
    title,
    number: true,
    value,
    show: (sum) => duration(value(sum)),
    exact: (sum) => exactDuration(value(sum)),
  }
}

interface StatisticsProps {
  trace: Trace
  selected: Row | undefined
  colours: Map<string, string>
  onSelect: (row: Row) => void
}

function columnsOf({ trace, selected, colours, onSelect }: StatisticsProps): Column<Sum>[] {
  /** Again and again on the same line: from span to span of it, the longest first. */
  const next = (sum: Sum) => {
    const byLength = [...sum.rows].sort((a, b) => b.duration - a.duration)
    const at = byLength.findIndex((row) => row.index === selected?.index)
    return byLength[(at + 1) % byLength.length] ?? sum.longest
  }
  const length = trace.length
  return [
    {
      title: 'Service and operation',
      value: (sum) => `${sum.service} ${sum.name}`,
      show: (sum) => (
        <button
          class="link quiet"
          onClick={() => {
            onSelect(next(sum))
          }}
        >
          <span class="tree-mark" style={{ background: colours.get(sum.service) ?? '' }} />
          <strong>{sum.service}</strong> {sum.name}
        </button>
      ),
    },
    {
      title: 'Spans',
      number: true,
      value: (sum) => sum.rows.length,
      show: (sum) => exact(sum.rows.length),
    },
    {
      title: 'Errors',
      number: true,
      value: (sum) => sum.errors,
      show: (sum) => <span class={sum.errors > 0 ? 'bad' : 'muted'}>{exact(sum.errors)}</span>,
    },
    time('Self time', (sum) => sum.self),
    {
      title: 'Of the trace',
      number: true,
      value: (sum) => sum.self,
      show: (sum) => (
        <span class="share-cell">
          <span class="share-bar">
            <span style={{ transform: `scaleX(${Math.min(1, sum.self / length)})` }} />
          </span>
          {share(sum.self, length)}
        </span>
      ),
    },
    time('On critical path', (sum) => sum.critical),
    time('Total', (sum) => sum.total),
    time('Mean', (sum) => sum.total / sum.rows.length),
    time('Longest', (sum) => sum.longest.duration),
  ]
}

export function Statistics(props: StatisticsProps) {
  const { trace, selected } = props
  const byService = param('by') === 'service'
  const sums = useMemo(() => sumsOf(trace, byService), [trace, byService])
  const own = (sum: Sum) =>
    selected !== undefined &&
    selected.span.service === sum.service &&
    (byService || selected.span.name === sum.name)
  return (
    <div class="trace-view" tabIndex={0} role="region" aria-label="Statistics">
      <div class="segments" role="group" aria-label="Summed up by">
        <a href={hrefWith({ by: null })} aria-current={byService ? undefined : 'true'}>
          Operations
        </a>
        <a href={hrefWith({ by: 'service' })} aria-current={byService ? 'true' : undefined}>
          Services
        </a>
      </div>
      <Sortable
        caption={byService ? 'Services' : 'Operations'}
        rows={sums}
        columns={columnsOf(props)}
        first={3}
        id={(sum) => sum.key}
        marked={own}
      />
    </div>
  )
}

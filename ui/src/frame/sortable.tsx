// SPDX-License-Identifier: Apache-2.0
// A table whose columns sort it. Long ones are shown in parts.
import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { exact } from '../base/format'

const ROWS_AT_ONCE = 200

export interface Column<T> {
  title: string
  number?: boolean
  value: (row: T) => string | number
  show: (row: T) => ComponentChildren
  exact?: (row: T) => string
}

export function Sortable<T>({
  caption,
  rows,
  columns,
  first,
  id,
  marked,
  bare = false,
}: {
  caption: string
  rows: T[]
  columns: Column<T>[]
  /** The column by which it is sorted at first; otherwise the first one of numbers. */
  first?: number
  id: (row: T) => string
  /** The row of what is selected. */
  marked?: (row: T) => boolean
  /** The page's own title says it already: the caption is for readers of the table only. */
  bare?: boolean
}) {
  const by = useSignal(first ?? columns.findIndex((column) => column.number))
  const down = useSignal(true)
  const shown = useSignal(ROWS_AT_ONCE)
  const column = columns[by.value]
  const sorted = [...rows].sort((a, b) => {
    const [left, right] = [column?.value(a) ?? 0, column?.value(b) ?? 0]
    const order =
      typeof left === 'number' && typeof right === 'number'
        ? left - right
        : String(left).localeCompare(String(right))
    return down.value ? -order : order
  })
  return (
    <>
      <table class="table">
        <caption class={bare ? 'hidden' : undefined}>
          {caption} <span class="muted">{exact(rows.length)}</span>
        </caption>
        <thead>
          <tr>
            {columns.map((head, index) => (
              <th
                key={head.title}
                scope="col"
                class={head.number ? 'number' : undefined}
                aria-sort={index === by.value ? (down.value ? 'descending' : 'ascending') : 'none'}
              >
                <button
                  onClick={() => {
                    down.value = index === by.value ? !down.value : Boolean(head.number)
                    by.value = index
                  }}
                >
                  {head.title}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.slice(0, shown.value).map((row) => (
            <tr key={id(row)} class={marked?.(row) ? 'selected' : undefined}>
              {columns.map((cell) => (
                <td key={cell.title} class={cell.number ? 'number' : undefined} title={cell.exact?.(row)}>
                  {cell.show(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {sorted.length > shown.value && (
        <button class="control" onClick={() => (shown.value += ROWS_AT_ONCE)}>
          Show {Math.min(ROWS_AT_ONCE, sorted.length - shown.value)} more of{' '}
          {exact(sorted.length - shown.value)}
        </button>
      )}
    </>
  )
}

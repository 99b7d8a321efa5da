// SPDX-License-Identifier: Apache-2.0
// Filters made by clicking: beside the list, or on a narrow screen in a sheet behind a button.
import { useSignal } from '@preact/signals'
import { plural, short } from '../base/format'
import { useKeys } from '../base/keys'
import { set } from '../base/route'
import { CloseIcon, FilterIcon } from '../frame/icons'
import { services } from '../frame/state'
import { conditions, quoted, withCondition, withoutCondition } from './query'

const DURATIONS = ['100ms', '500ms', '1s', '5s']

function ask(query: string): void {
  set({ q: query })
}

function Facet({
  query,
  condition,
  text,
  note,
}: {
  query: string
  condition: string
  text: string
  note?: string
}) {
  const on = conditions(query).includes(condition)
  return (
    <button
      class="facet"
      aria-pressed={on}
      onClick={() => {
        ask(on ? withoutCondition(query, condition) : withCondition(query, condition))
      }}
    >
      <span>{text}</span>
      {note !== undefined && <span class="muted">{note}</span>}
    </button>
  )
}

export function Facets({ query }: { query: string }) {
  const total = new Map<string, number>()
  for (const service of services.value)
    total.set(service.name, (total.get(service.name) ?? 0) + service.spans)
  const names = [...total.entries()].sort((a, b) => b[1] - a[1]).slice(0, 40)
  return (
    <>
      <h2>Status</h2>
      <Facet query={query} condition="status = error" text="Error" />
      <Facet query={query} condition="status = ok" text="OK" />
      <h2>Span longer than</h2>
      {DURATIONS.map((length) => (
        <Facet
          key={length}
          query={query}
          condition={`duration > ${length}`}
          text={length.replace(/(\d)([a-z])/, '$1 $2')}
        />
      ))}
      <h2>Service</h2>
      {names.map(([name, spans]) => (
        <Facet
          key={name}
          query={query}
          condition={`resource.service.name = ${quoted(name)}`}
          text={name}
          note={short(spans)}
        />
      ))}
    </>
  )
}

/** Shown by the style sheet only where there is no room for the filters themselves. */
export function FilterButton({ query }: { query: string }) {
  const open = useSignal(false)
  const active = conditions(query).length
  const close = () => (open.value = false)
  useKeys({ Escape: () => open.value && (close(), true) })
  return (
    <>
      <button
        class="control filter-button"
        aria-expanded={open.value}
        aria-label={active > 0 ? `Filters, ${plural(active, 'condition')} on` : 'Filters'}
        onClick={() => (open.value = !open.value)}
      >
        <FilterIcon /> Filters
        {active > 0 && <span class="count">{active}</span>}
      </button>
      {open.value && (
        <div class="sheet-back" onClick={close}>
          <div
            class="sheet"
            role="dialog"
            aria-modal="true"
            aria-label="Filters"
            onClick={(event) => {
              event.stopPropagation()
            }}
          >
            <div class="sheet-head">
              <h2>Filters</h2>
              <button class="plain" aria-label="Close" onClick={close}>
                <CloseIcon />
              </button>
            </div>
            <div class="sheet-body">
              <Facets query={query} />
            </div>
          </div>
        </div>
      )}
    </>
  )
}

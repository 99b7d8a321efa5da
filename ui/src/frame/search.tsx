// SPDX-License-Identifier: Apache-2.0
// The one search field of the header. `/` goes there.
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { address, get } from '../api/client'
import type { List, MapAnswer, OperationItem } from '../api/types'
import { flowPlace } from '../flows/run_href'
import type { FlowDefinitions, FlowItem, RunItem } from '../flows/types'
import { useKeys } from '../base/keys'
import { go, hrefTo } from '../base/route'
import { timeWindow, windowParams } from '../base/window'
import { find, pasted, type Found } from './find'
import { SearchIcon } from './icons'
import { services, shownMap } from './state'

const SERVICES_ASKED = 24

interface NamedFlow {
  name: string
  runs: number
}

interface Stock {
  map: MapAnswer | null
  operations: { service: string; item: OperationItem }[]
  flows: NamedFlow[]
}

/** What can be found is fetched when the field is first used, not before. */
async function stock(): Promise<Stock> {
  const window = windowParams(timeWindow.value)
  const names = [...new Set(services.value.map((service) => service.name))].slice(0, SERVICES_ASKED)
  const map = shownMap.value
    ? Promise.resolve(shownMap.value)
    : get<MapAnswer>(address('map', window)).catch(() => null)
  const lists = names.map(async (service) => {
    const url = address(`services/${encodeURIComponent(service)}/operations`, window)
    const list = await get<List<OperationItem>>(url).catch(() => ({ items: [] }))
    return list.items.map((item) => ({ service, item }))
  })
  const flows = get<List<FlowItem>>(
    address('flows', { from: '-24h', to: 'now', limit: 500, defined: false }),
  ).catch(() => ({ items: [] }))
  // What people defined is found by name only: how often it runs would have to be evaluated.
  const defined = get<FlowDefinitions>(address('flow-definitions')).catch(() => ({ items: [] }))
  return {
    map: await map,
    operations: (await Promise.all(lists)).flat(),
    flows: [...(await flows).items, ...(await defined).items.map(({ name }) => ({ name, runs: 0 }))],
  }
}

/** A run's id: a word of some length. And for how long one goes on writing. */
const RUN_ID = /^[\w.:/-]{4,128}$/
const RUN_AFTER_MS = 250

/** The runs of that very id, of whatever flow. */
async function runsNamed(id: string, abort: AbortSignal): Promise<Found[]> {
  try {
    const { items } = await get<List<RunItem>>(address(`runs/${encodeURIComponent(id)}`), abort)
    return items.map((run) => ({
      key: `run ${run.flow} ${run.scope} ${run.environment} ${run.defined === true}`,
      kind: 'run',
      text: `Run ${id}`,
      note: `${run.flow} · ${run.status === 'failed' ? 'failed' : 'finished'}`,
      href: hrefTo(['run', run.flow, run.run_id], flowPlace(run)),
    }))
  } catch {
    return []
  }
}

/** Asked for when one stops writing. */
function useRuns(text: string): Found[] {
  const found = useSignal<{ of: string; items: Found[] }>({ of: '', items: [] })
  const id = RUN_ID.test(text.trim()) && pasted(text) === null ? text.trim() : ''
  useEffect(() => {
    if (id === '') return
    const abort = new AbortController()
    const timer = setTimeout(() => {
      void runsNamed(id, abort.signal).then((items) => {
        if (!abort.signal.aborted) found.value = { of: id, items }
      })
    }, RUN_AFTER_MS)
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [id])
  return found.value.of === id && id !== '' ? found.value.items : []
}

function Results({ found, at, onChoose }: { found: Found[]; at: number; onChoose: (found: Found) => void }) {
  return (
    <ul class="results" id="search-results" role="listbox" aria-label="Found">
      {found.map((entry, index) => (
        <li
          key={entry.key}
          id={`found-${index}`}
          role="option"
          aria-selected={index === at}
          onPointerDown={(event) => {
            event.preventDefault()
            onChoose(entry)
          }}
        >
          <span class="results-text">{entry.text}</span>
          <span class="results-note">{entry.note}</span>
          <span class="results-kind">{entry.kind}</span>
        </li>
      ))}
    </ul>
  )
}

export function Search() {
  const input = useRef<HTMLInputElement>(null)
  const text = useSignal('')
  const open = useSignal(false)
  const at = useSignal(0)
  const stocked = useSignal<Stock>({ map: null, operations: [], flows: [] })
  useKeys({
    '/': () => {
      input.current?.focus()
      input.current?.select()
    },
  })
  useEffect(() => {
    if (open.value) void stock().then((fresh) => (stocked.value = fresh))
  }, [open.value])

  const nodes = shownMap.value?.nodes ?? stocked.value.map?.nodes ?? []
  const runs = useRuns(open.value ? text.value : '')
  const found = open.value
    ? [...runs, ...find(text.value, nodes, stocked.value.operations, stocked.value.flows)]
    : []
  const choose = (entry: Found) => {
    open.value = false
    text.value = ''
    input.current?.blur()
    go(entry.href)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') {
      open.value = false
      input.current?.blur()
      event.stopPropagation()
    } else if (event.key === 'ArrowDown') at.value = Math.min(at.value + 1, found.length - 1)
    else if (event.key === 'ArrowUp') at.value = Math.max(at.value - 1, 0)
    else if (event.key === 'Enter') {
      const entry = found[at.value]
      if (entry) choose(entry)
    } else return
    event.preventDefault()
  }
  const onPaste = (event: ClipboardEvent) => {
    const href = pasted(event.clipboardData?.getData('text') ?? '')
    if (href === null) return
    event.preventDefault()
    choose({ key: 'trace', kind: 'trace', text: '', note: '', href })
  }
  return (
    <search class="search" onFocusOut={() => (open.value = false)}>
      <SearchIcon />
      <input
        ref={input}
        type="text"
        role="combobox"
        aria-label="Search or paste a trace id"
        aria-expanded={found.length > 0}
        aria-controls="search-results"
        aria-autocomplete="list"
        {...(found.length > 0 ? { 'aria-activedescendant': `found-${at.value}` } : {})}
        placeholder="Search or paste a trace id"
        spellcheck={false}
        autocomplete="off"
        value={text.value}
        onFocus={() => (open.value = true)}
        onInput={(event) => {
          text.value = event.currentTarget.value
          open.value = true
          at.value = 0
        }}
        onPaste={onPaste}
        onKeyDown={onKeyDown}
      />
      <kbd aria-hidden="true">/</kbd>
      {found.length > 0 && <Results found={found} at={at.value} onChoose={choose} />}
    </search>
  )
}

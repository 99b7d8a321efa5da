// SPDX-License-Identifier: Apache-2.0
// The query as text, with completion of attributes and values from what the server has seen.
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { address, get, type ApiError } from '../api/client'
import type { AttributeItem, List, ValueItem } from '../api/types'
import { short } from '../base/format'
import { CloseIcon } from '../frame/icons'
import { errorPosition, INTRINSICS, OPERATORS, quoted, spotAt, type Spot } from './query'

interface Offer {
  text: string
  note: string
}

const MOST = 10

let attributes: Promise<AttributeItem[]> | null = null

function knownAttributes(): Promise<AttributeItem[]> {
  attributes ??= get<List<AttributeItem>>(address('attributes', { limit: 1000 })).then(
    (list) => list.items,
    () => {
      attributes = null
      return []
    },
  )
  return attributes
}

async function values(key: string): Promise<Offer[]> {
  const fixed = INTRINSICS[key]
  if (fixed && fixed.length > 0) return fixed.map((text) => ({ text, note: '' }))
  const list = await get<List<ValueItem>>(
    address(`attributes/${encodeURIComponent(key)}/values`, { limit: 100 }),
  ).catch(() => ({ items: [] }))
  return list.items.map((item) => ({ text: quoted(item.value), note: short(item.count) }))
}

async function offers(spot: Spot): Promise<Offer[]> {
  const wanted = spot.text.toLowerCase().replace(/^"/, '')
  const fits = (text: string) => text.toLowerCase().includes(wanted)
  if (spot.what === 'operator') return OPERATORS.map((text) => ({ text, note: '' }))
  if (spot.what === 'value')
    return (await values(spot.key)).filter((offer) => fits(offer.text)).slice(0, MOST)
  const keys = (await knownAttributes()).map((item) => ({ text: item.key, note: short(item.count) }))
  const all = [...Object.keys(INTRINSICS).map((text) => ({ text, note: 'span' })), ...keys]
  const begins = (offer: Offer) => (offer.text.toLowerCase().startsWith(wanted) ? 0 : 1)
  return all
    .filter((offer) => fits(offer.text) && offer.text !== spot.text)
    .sort((a, b) => begins(a) - begins(b))
    .slice(0, MOST)
}

/** Shows where the server stopped reading. */
function Where({ query, error }: { query: string; error: ApiError }) {
  const position = errorPosition(error.message)
  const at = position === null ? null : Math.min(position, query.length)
  return (
    <div class="query-error" id="query-error" role="alert">
      {at !== null && (
        <pre aria-hidden="true">
          {query.slice(0, at)}
          <mark>{query.slice(at, at + 1) || ' '}</mark>
          {query.slice(at + 1)}
        </pre>
      )}
      <p>
        {error.message} {error.hint !== '' && <span class="muted">{error.hint}</span>}
      </p>
    </div>
  )
}

function Offers({ list, at, onTake }: { list: Offer[]; at: number; onTake: (offer: Offer) => void }) {
  return (
    <ul class="results offers" id="query-offers" role="listbox" aria-label="Completions">
      {list.map((offer, index) => (
        <li
          key={offer.text}
          id={`offer-${index}`}
          role="option"
          aria-selected={index === at}
          onPointerDown={(event) => {
            event.preventDefault()
            onTake(offer)
          }}
        >
          <span class="results-text mono">{offer.text}</span>
          <span class="results-kind">{offer.note}</span>
        </li>
      ))}
    </ul>
  )
}

/** A bare condition is meant as a filter; a lone word as a span's name. */
function whole(text: string): string {
  const wanted = text.trim()
  if (wanted === '' || wanted.startsWith('{') || wanted.startsWith('(')) return wanted
  return /[=<>]/.test(wanted) ? `{ ${wanted} }` : `{ name = ${quoted(wanted)} }`
}

interface Props {
  query: string
  error: ApiError | null
  onQuery: (query: string) => void
}

export function QueryField({ query, error, onQuery }: Props) {
  const input = useRef<HTMLInputElement>(null)
  const text = useSignal(query)
  const open = useSignal(false)
  const list = useSignal<Offer[]>([])
  const at = useSignal(-1)
  const asked = useRef(0)
  useEffect(() => {
    text.value = query
  }, [query])

  const spot = () => spotAt(text.value, input.current?.selectionStart ?? text.value.length)
  const refresh = async () => {
    const turn = ++asked.current
    const found = await offers(spot())
    if (turn !== asked.current) return
    list.value = found
    at.value = -1
  }
  const take = (offer: Offer) => {
    const { start, what } = spot()
    const cursor = input.current?.selectionStart ?? text.value.length
    const open = text.value.trim() === '' ? '{ ' : ''
    const tail = what === 'value' ? '' : ' '
    const before = `${open}${text.value.slice(0, start)}${offer.text}${tail}`
    text.value = before + text.value.slice(cursor)
    // At once, not with the next paint: the next key may come before it.
    if (input.current) input.current.value = text.value
    input.current?.focus()
    input.current?.setSelectionRange(before.length, before.length)
    void refresh()
  }
  const submit = () => {
    open.value = false
    text.value = whole(text.value)
    onQuery(text.value)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const offer = list.value[at.value]
    if (event.key === 'ArrowDown') {
      open.value = true
      at.value = Math.min(at.value + 1, list.value.length - 1)
    } else if (event.key === 'ArrowUp') at.value = Math.max(at.value - 1, -1)
    else if (event.key === 'Tab' && open.value && list.value.length > 0 && at.value >= 0 && offer) take(offer)
    else if (event.key === 'Enter') {
      if (open.value && offer) take(offer)
      else submit()
    } else if (event.key === 'Escape' && open.value) {
      open.value = false
      event.stopPropagation()
    } else return
    event.preventDefault()
  }
  const shown = open.value && list.value.length > 0
  return (
    <div class="query">
      <div class={`query-box ${error ? 'wrong' : ''}`}>
        <input
          ref={input}
          class="mono"
          type="text"
          role="combobox"
          aria-label="Query (TraceQL)"
          aria-expanded={shown}
          aria-controls="query-offers"
          aria-autocomplete="list"
          aria-invalid={error !== null}
          {...(error ? { 'aria-errormessage': 'query-error' } : {})}
          {...(shown && at.value >= 0 ? { 'aria-activedescendant': `offer-${at.value}` } : {})}
          placeholder={'{ span.http.response.status_code >= 500 && duration > 1s }'}
          spellcheck={false}
          autocomplete="off"
          value={text.value}
          onFocus={() => {
            open.value = true
            void refresh()
          }}
          onBlur={() => (open.value = false)}
          onInput={(event) => {
            text.value = event.currentTarget.value
            open.value = true
            void refresh()
          }}
          onClick={() => void refresh()}
          onKeyDown={onKeyDown}
        />
        {text.value !== '' && (
          <button
            class="plain"
            aria-label="Clear the query"
            onClick={() => {
              text.value = ''
              onQuery('')
            }}
          >
            <CloseIcon />
          </button>
        )}
        <button class="primary small" onClick={submit}>
          Search
        </button>
      </div>
      {shown && <Offers list={list.value} at={at.value} onTake={take} />}
      {error && <Where query={query} error={error} />}
    </div>
  )
}

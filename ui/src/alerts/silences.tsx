// SPDX-License-Identifier: Apache-2.0
// Holds alerts back for a while, and ends that.
import { useSignal } from '@preact/signals'
import { address, problemOf, send, type ApiError, type Unreachable } from '../api/client'
import { ms, when } from '../base/time'
import type { Alert, Labels, Silence } from './types'
import { matchWords } from './words'

const LENGTHS = [
  ['1h', '1 hour'],
  ['4h', '4 hours'],
  ['1d', '1 day'],
  ['7d', '7 days'],
] as const

/** Ids tell apart what names already do, and would hold back nothing when the map names it anew. */
const IDS = ['edge', 'node_id']
const SPECIAL = /[.*+?^${}()|[\]\\]/g

function matchOf(alert: Alert): Labels {
  return Object.fromEntries(
    Object.entries(alert.labels)
      .filter(([label]) => !IDS.includes(label))
      .map(([label, value]) => [label, value.replace(SPECIAL, '\\$&')]),
  )
}

export function SilenceForm({ alert, onDone }: { alert: Alert; onDone: () => void }) {
  const length = useSignal<string>('4h')
  const comment = useSignal('')
  const all = useSignal(false)
  const error = useSignal<ApiError | Unreachable | null>(null)
  const save = async () => {
    const exact = matchOf(alert)
    const name = exact.alertname ?? ''
    const body = {
      match: all.value ? { alertname: name } : exact,
      to: `now+${length.value}`,
      comment: comment.value,
    }
    try {
      await send('POST', address('alerts/silences'), body)
      onDone()
    } catch (problem) {
      error.value = problemOf(problem)
    }
  }
  return (
    <form
      class="silence-form"
      aria-label={`Silence ${alert.labels.alertname ?? ''}`}
      onSubmit={(event) => {
        event.preventDefault()
        void save()
      }}
    >
      <label>
        Silence{' '}
        <select
          class="field"
          value={all.value ? 'all' : 'one'}
          onChange={(event) => (all.value = event.currentTarget.value === 'all')}
        >
          <option value="one">this alert</option>
          <option value="all">all of this rule</option>
        </select>
      </label>
      <label>
        for{' '}
        <select
          class="field"
          value={length.value}
          onChange={(event) => (length.value = event.currentTarget.value)}
        >
          {LENGTHS.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <input
        class="field silence-why"
        aria-label="Why"
        placeholder="why"
        maxLength={1000}
        value={comment.value}
        onInput={(event) => (comment.value = event.currentTarget.value)}
      />
      <button class="primary small">Silence</button>
      <button type="button" class="control" onClick={onDone}>
        Discard
      </button>
      {error.value && (
        <p class="field-error" role="alert">
          {error.value.message}
        </p>
      )}
    </form>
  )
}

export function Silences({ items, onChange }: { items: Silence[]; onChange: () => void }) {
  const error = useSignal<string>('')
  if (items.length === 0) return null
  const end = async (id: string) => {
    try {
      await send('DELETE', address(`alerts/silences/${encodeURIComponent(id)}`))
      error.value = ''
    } catch (problem) {
      error.value = problemOf(problem).message
    }
    onChange()
  }
  return (
    <section class="finding-group" aria-label="Silences">
      <h2>Silences</h2>
      {error.value !== '' && (
        <p class="form-error" role="alert">
          {error.value}
        </p>
      )}
      <ol>
        {items.map((silence) => (
          <li class="rule-item" key={silence.id}>
            <span>{matchWords(silence.match)}</span>
            <span class="muted">
              until {when(ms(silence.to))}
              {silence.comment !== '' && ` · ${silence.comment}`}
              {silence.author !== '' && ` · ${silence.author}`}
            </span>
            <button class="link" onClick={() => void end(silence.id)}>
              End it
            </button>
          </li>
        ))}
      </ol>
    </section>
  )
}

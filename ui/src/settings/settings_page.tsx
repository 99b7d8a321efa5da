// SPDX-License-Identifier: Apache-2.0
// Settings: what unpaired names mean (for everybody, for all of the past), and the server's own state.
import { useEffect } from 'preact/hooks'
import { ApiError } from '../api/client'
import type { MappingPreview } from '../api/types'
import { exact, plural } from '../base/format'
import { hrefTo } from '../base/route'
import { CloseIcon, DownIcon, PlusIcon, UpIcon } from '../frame/icons'
import { Problem } from '../frame/notice'
import {
  add,
  edit,
  editor,
  isConflict,
  load,
  move,
  preview,
  problem,
  remove,
  save,
  saved,
  type Draft,
} from './mappings'

const TYPES = ['service', 'database', 'queue', 'external'] as const
const NAMES_SHOWN = 4

function effectOf(row: Draft): string {
  const found = preview.value?.mappings.find(
    (item) => item.pattern === row.pattern && item.name === row.name && item.type === row.type,
  )
  if (!found) return ''
  if (found.names_total === 0) return 'matches no name of this window'
  const names = found.names.slice(0, NAMES_SHOWN).join(', ')
  const more = found.names_total > NAMES_SHOWN ? ` and ${exact(found.names_total - NAMES_SHOWN)} more` : ''
  return `${names}${more} · ${plural(found.calls, 'call')}`
}

function MappingRow({ row, at }: { row: Draft; at: number }) {
  const fixed = row.source === 'configuration'
  return (
    <li class="mapping">
      <span class="mapping-number muted">{at + 1}</span>
      <input
        class="field mono"
        aria-label={`Pattern ${at + 1}`}
        placeholder="10\.0\.3\.\d+"
        spellcheck={false}
        value={row.pattern}
        disabled={fixed}
        onInput={(event) => {
          edit(row.key, { pattern: event.currentTarget.value })
        }}
      />
      <span class="muted" aria-hidden="true">
        →
      </span>
      <select
        class="field"
        aria-label={`Type ${at + 1}`}
        value={row.type}
        disabled={fixed}
        onChange={(event) => {
          edit(row.key, { type: event.currentTarget.value })
        }}
      >
        {TYPES.map((type) => (
          <option key={type} value={type}>
            {type}
          </option>
        ))}
      </select>
      <input
        class="field"
        aria-label={`Name ${at + 1}`}
        placeholder="payment"
        spellcheck={false}
        value={row.name}
        disabled={fixed}
        onInput={(event) => {
          edit(row.key, { name: event.currentTarget.value })
        }}
      />
      <span class="mapping-buttons">
        {fixed ? (
          <span class="muted">configuration</span>
        ) : (
          <>
            <button
              class="plain"
              aria-label={`Move ${at + 1} up`}
              onClick={() => {
                move(row.key, -1)
              }}
            >
              <UpIcon />
            </button>
            <button
              class="plain"
              aria-label={`Move ${at + 1} down`}
              onClick={() => {
                move(row.key, 1)
              }}
            >
              <DownIcon />
            </button>
            <button
              class="plain"
              aria-label={`Remove ${at + 1}`}
              onClick={() => {
                remove(row.key)
              }}
            >
              <CloseIcon />
            </button>
          </>
        )}
      </span>
      <span class="mapping-effect muted">{effectOf(row)}</span>
    </li>
  )
}

function PreviewText({ found }: { found: MappingPreview }) {
  const { added, removed } = found
  const name = (list: { name: string }[]) =>
    list
      .slice(0, 6)
      .map((node) => node.name)
      .join(', ') + (list.length > 6 ? ` and ${list.length - 6} more` : '')
  if (added.nodes.length + removed.nodes.length + added.edges.length + removed.edges.length === 0)
    return <p class="muted">In the window shown this changes nothing on the map.</p>
  return (
    <ul class="preview-list">
      {added.nodes.length > 0 && (
        <li>
          <span class="preview-mark new">+</span> {plural(added.nodes.length, 'node')}: {name(added.nodes)}
        </li>
      )}
      {removed.nodes.length > 0 && (
        <li>
          <span class="preview-mark">−</span> {plural(removed.nodes.length, 'node')}: {name(removed.nodes)}
        </li>
      )}
      <li class="muted">
        {plural(added.edges.length, 'edge')} would come, {exact(removed.edges.length)} would go.
      </li>
    </ul>
  )
}

function Conflict() {
  return (
    <p class="form-error" role="alert">
      Somebody saved other mappings meanwhile.{' '}
      <button class="link" onClick={() => void load()}>
        Read them
      </button>{' '}
      (what you changed here is lost).
    </p>
  )
}

function Wrong() {
  const error = problem.value
  if (!error) return null
  if (!(error instanceof ApiError)) return <Problem error={error} />
  if (isConflict()) return <Conflict />
  return (
    <p class="form-error" role="alert">
      {error.message} <span class="muted">{error.hint}</span>
    </p>
  )
}

function Mappings() {
  const now = editor.value
  useEffect(() => void load(), [])
  return (
    <section class="setting" aria-label="Mappings">
      <h2>Mappings</h2>
      <p class="muted">
        What a called name means when no server span answers it: addresses, host names. Patterns are regular
        expressions over the whole name; the first that matches decides. They hold for everybody and for all
        of the past, at once.
      </p>
      {now && (
        <>
          <ol class="mappings">
            {now.rows.map((row, at) => (
              <MappingRow key={row.key} row={row} at={at} />
            ))}
          </ol>
          <button
            class="control"
            onClick={() => {
              add()
            }}
          >
            <PlusIcon /> Add a mapping
          </button>
          <Wrong />
          {preview.value && now.changed && (
            <div class="preview" aria-live="polite">
              <h3>What saving would change</h3>
              <PreviewText found={preview.value} />
            </div>
          )}
          <div class="setting-actions">
            <button class="primary small" disabled={!now.changed} onClick={() => void save()}>
              Save
            </button>
            {now.changed && (
              <button class="control" onClick={() => void load()}>
                Discard
              </button>
            )}
            {saved.value && !now.changed && <span class="muted">Saved.</span>}
          </div>
        </>
      )}
      {!now && <Wrong />}
    </section>
  )
}

const KEYS: [string, string][] = [
  ['/', 'search, or paste a trace id'],
  ['[  ]', 'previous and next change'],
  ['space', 'play the range of the time dock'],
  ['c', 'compare with just before; in a trace, with another'],
  ['arrows, Enter', 'go from box to box, open one'],
  ['f', 'focus on a box, open a group'],
  ['t', 'fold or open a database’s tables'],
  ['m', 'arrange: move boxes'],
  ['+  −  0', 'zoom, show all'],
  ['j  k  h  l', 'in a trace: move and fold'],
  ['Esc', 'let go of the last thing'],
]

function Keys() {
  return (
    <section class="setting" aria-label="Keys">
      <h2>Keys</h2>
      <dl class="keys-list">
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              {key.split('  ').map((part) => (
                <kbd key={part}>{part}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

export function SettingsPage() {
  return (
    <div class="page">
      <main class="column">
        <div class="reading" tabIndex={0} role="region" aria-label="Settings">
          <div class="reading-head">
            <h1>Settings</h1>
            <a class="control" href={hrefTo(['status'])}>
              Status of the server
            </a>
          </div>
          <Mappings />
          <Keys />
        </div>
      </main>
    </div>
  )
}

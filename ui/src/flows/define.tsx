// SPDX-License-Identifier: Apache-2.0
// Defines flows over spans that name none: steps are TraceQL filters, an attribute joins traces.
import { useEffect } from 'preact/hooks'
import { ApiError } from '../api/client'
import { plural, share } from '../base/format'
import { CloseIcon, PlusIcon } from '../frame/icons'
import { Problem } from '../frame/notice'
import {
  definitions,
  discard,
  draft,
  edit,
  editStep,
  found,
  load,
  open,
  problem,
  remove,
  save,
  type Draft,
} from './definitions'
import type { Flow } from './types'

const VARIANTS_SHOWN = 3

function Steps({ steps }: { steps: Draft['flow']['steps'] }) {
  return (
    <ol class="mappings">
      {steps.map((step, at) => (
        <li class="definition-step" key={at}>
          <span class="mapping-number muted">{at + 1}</span>
          <input
            class="field"
            aria-label={`Step ${at + 1}`}
            placeholder="pay"
            spellcheck={false}
            value={step.name}
            onInput={(event) => {
              editStep(at, { name: event.currentTarget.value })
            }}
          />
          <input
            class="field mono"
            aria-label={`Filter ${at + 1}`}
            placeholder='{ resource.service.name = "payment" && kind = server }'
            spellcheck={false}
            value={step.filter}
            onInput={(event) => {
              editStep(at, { filter: event.currentTarget.value })
            }}
          />
          <button
            class="plain"
            aria-label={`Remove step ${at + 1}`}
            onClick={() => {
              edit({ steps: steps.filter((_, place) => place !== at) })
            }}
          >
            <CloseIcon />
          </button>
        </li>
      ))}
    </ol>
  )
}

function Found({ flow }: { flow: Flow }) {
  return (
    <div class="preview definition-found" aria-live="polite">
      <h3>
        {flow.runs === 0 ? 'No run in this window' : `${plural(flow.runs, 'run')} in this window`}
        {flow.truncated === true && ', and more than could be read'}
      </h3>
      <ul class="preview-list">
        {flow.variants.slice(0, VARIANTS_SHOWN).map((variant) => (
          <li key={variant.id}>
            {share(variant.runs, flow.runs)} <span class="muted">{variant.sequence.join(' › ')}</span>
          </li>
        ))}
      </ul>
    </div>
  )
}

function Wrong() {
  const error = problem.value
  if (!error) return null
  if (!(error instanceof ApiError)) return <Problem error={error} />
  if (error.status === 409) {
    return (
      <p class="form-error" role="alert">
        Somebody saved other flows meanwhile.{' '}
        <button class="link" onClick={() => void load()}>
          Read them
        </button>{' '}
        and save again.
      </p>
    )
  }
  return (
    <p class="form-error" role="alert">
      {error.message}
    </p>
  )
}

function Form({ now, changed }: { now: Draft; changed: () => void }) {
  const done = (worked: boolean) => {
    if (worked) changed()
  }
  return (
    <div class="definition">
      <div class="definition-head">
        <label>
          Name
          <input
            class="field"
            value={now.flow.name}
            spellcheck={false}
            onInput={(event) => {
              edit({ name: event.currentTarget.value })
            }}
          />
        </label>
        <label>
          Joined by attribute
          <input
            class="field mono"
            placeholder="none: each trace is a run"
            value={now.flow.key}
            spellcheck={false}
            onInput={(event) => {
              edit({ key: event.currentTarget.value.trim() })
            }}
          />
        </label>
        <label>
          Within
          <input
            class="field"
            value={now.flow.within}
            spellcheck={false}
            onInput={(event) => {
              edit({ within: event.currentTarget.value.trim() })
            }}
          />
        </label>
      </div>
      <Steps steps={now.flow.steps} />
      <button
        class="control"
        onClick={() => {
          edit({ steps: [...now.flow.steps, { name: '', filter: '' }] })
        }}
      >
        <PlusIcon /> Add a step
      </button>
      <Wrong />
      {found.value && <Found flow={found.value} />}
      <div class="setting-actions">
        <button class="primary small" onClick={() => void save().then(done)}>
          Save
        </button>
        <button class="control" onClick={discard}>
          Discard
        </button>
        {now.of !== null && (
          <button class="control" onClick={() => void remove().then(done)}>
            Delete
          </button>
        )}
      </div>
    </div>
  )
}

/** `changed`: what is defined is another. */
export function Define({ changed }: { changed: () => void }) {
  useEffect(() => {
    void load()
    return discard
  }, [])
  const list = definitions.value
  const now = draft.value
  if (!list) return null
  return (
    <section class="setting" aria-label="Defined here">
      <h2>Defined here</h2>
      <p class="muted">
        A flow over spans that name none: each step is a TraceQL filter, and the first that matches a span is
        its step. It holds for all of the past, at once, and for everybody.
      </p>
      {now ? (
        <Form now={now} changed={changed} />
      ) : (
        <div class="setting-actions">
          {list.items.map((item) => (
            <button
              class="control"
              key={item.name}
              disabled={item.source === 'configuration'}
              title={item.source === 'configuration' ? 'In the configuration file' : 'Change it'}
              onClick={() => {
                open(item)
              }}
            >
              {item.name}
            </button>
          ))}
          <button
            class="control"
            onClick={() => {
              open(null)
            }}
          >
            <PlusIcon /> Define a flow
          </button>
        </div>
      )}
    </section>
  )
}

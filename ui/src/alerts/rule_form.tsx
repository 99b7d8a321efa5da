// SPDX-License-Identifier: Apache-2.0
// Writes one rule. What is wrong stands beside the field that it is wrong in.
import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { ApiError } from '../api/client'
import { CloseIcon, PlusIcon } from '../frame/icons'
import { Problem } from '../frame/notice'
import {
  closeRule,
  deleteRule,
  editRule,
  isConflict,
  loadRules,
  problem,
  ruleOf,
  rules,
  saveRule,
  wrongIn,
  type Draft,
  type Field,
  type Pairs,
} from './rules'
import { TrialOf } from './trial'
import { KINDS, sentenceOf } from './words'

interface FieldProps {
  id: string
  label: string
  wrong: string | undefined
  children: ComponentChildren
}

function Labelled({ id, label, wrong, children }: FieldProps) {
  return (
    <div class="rule-field">
      <label for={id}>{label}</label>
      {children}
      {wrong !== undefined && (
        <p class="field-error" id={`${id}-wrong`} role="alert">
          {wrong}
        </p>
      )}
    </div>
  )
}

interface TextProps {
  id: string
  label: string
  value: string
  placeholder: string
  wrong: string | undefined
  onText: (text: string) => void
}

function Text({ id, label, value, placeholder, wrong, onText }: TextProps) {
  return (
    <Labelled id={id} label={label} wrong={wrong}>
      <input
        id={id}
        class="field"
        value={value}
        placeholder={placeholder}
        spellcheck={false}
        aria-invalid={wrong !== undefined}
        {...(wrong === undefined ? {} : { 'aria-describedby': `${id}-wrong` })}
        onInput={(event) => {
          onText(event.currentTarget.value.trimStart())
        }}
      />
    </Labelled>
  )
}

interface PairsProps {
  what: string
  add: string
  pairs: Pairs
  known: string[]
  placeholder: string
  onPairs: (pairs: Pairs) => void
}

function PairRows({ what, add, pairs, known, placeholder, onPairs }: PairsProps) {
  const change = (at: number, pair: [string, string]) => {
    onPairs(pairs.map((old, place) => (place === at ? pair : old)))
  }
  const free = known.find((name) => !pairs.some(([key]) => key === name)) ?? ''
  return (
    <>
      <ol class="rule-pairs">
        {pairs.map(([key, value], at) => (
          <li key={at}>
            <input
              class="field"
              list={`known-${what}`}
              aria-label={`${what} ${at + 1}, label`}
              value={key}
              spellcheck={false}
              onInput={(event) => {
                change(at, [event.currentTarget.value.trim(), value])
              }}
            />
            <input
              class="field mono"
              aria-label={`${what} ${at + 1}, value`}
              placeholder={placeholder}
              value={value}
              spellcheck={false}
              onInput={(event) => {
                change(at, [key, event.currentTarget.value])
              }}
            />
            <button
              type="button"
              class="plain"
              aria-label={`Remove ${what} ${at + 1}`}
              onClick={() => {
                onPairs(pairs.filter((_, place) => place !== at))
              }}
            >
              <CloseIcon />
            </button>
          </li>
        ))}
      </ol>
      <datalist id={`known-${what}`}>
        {known.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <button
        type="button"
        class="link rule-add"
        onClick={() => {
          onPairs([...pairs, [free, '']])
        }}
      >
        <PlusIcon /> {add}
      </button>
    </>
  )
}

/** The server's answer about the rule as a whole; what it says of one field stands there. */
function Refused() {
  const error = problem.value
  if (!error) return null
  if (!(error instanceof ApiError)) return <Problem error={error} />
  if (isConflict()) {
    return (
      <p class="form-error" role="alert">
        Somebody saved other rules meanwhile.{' '}
        <button type="button" class="link" onClick={() => void loadRules()}>
          Read them
        </button>{' '}
        and save again; what is written here stays.
      </p>
    )
  }
  const text = error.message.replace(/^rule \d+: /, '')
  return (
    <p class="form-error" role="alert">
      {text.charAt(0).toUpperCase() + text.slice(1)}. <span class="muted">{error.hint}</span>
    </p>
  )
}

/** "the pattern of target, at character 3: …" belongs to the conditions. */
function refusedField(): Partial<Record<Field, string>> {
  const error = problem.value
  if (!(error instanceof ApiError) || error.status !== 400) return {}
  const text = error.message.replace(/^rule \d+: /, '')
  return text.startsWith('the pattern of')
    ? { match: `${text.charAt(0).toUpperCase()}${text.slice(1)}.` }
    : {}
}

type TextField = 'window' | 'baseline' | 'lasting' | 'significance'

/** What stands in the fields of a window that one leaves empty depends on the kind. */
function windowFields(now: Draft): { field: TextField; id: string; label: string; placeholder: string }[] {
  const kind = KINDS[now.kind]
  return [
    { field: 'window', id: 'rule-window', label: 'Window', placeholder: '5m' },
    { field: 'baseline', id: 'rule-baseline', label: 'Baseline', placeholder: kind?.baseline ?? '' },
    { field: 'lasting', id: 'rule-for', label: 'Lasting for', placeholder: '0s: at once' },
    {
      field: 'significance',
      id: 'rule-significance',
      label: 'Significance',
      placeholder: kind?.significance ?? '',
    },
  ]
}

function Windows({ now, wrong }: { now: Draft; wrong: Partial<Record<Field, string>> }) {
  return (
    <div class="rule-windows">
      {windowFields(now).map(({ field, id, label, placeholder }) => (
        <Text
          key={field}
          id={id}
          label={label}
          value={now[field]}
          placeholder={placeholder}
          wrong={wrong[field]}
          onText={(text) => {
            editRule({ [field]: text })
          }}
        />
      ))}
    </div>
  )
}

/** Who is told: all, unless some are chosen. */
function Told({ now, names }: { now: Draft; names: string[] }) {
  if (names.length === 0) return null
  return (
    <fieldset>
      <legend>Receivers</legend>
      {names.map((name) => (
        <label key={name} class="rule-receiver">
          <input
            type="checkbox"
            checked={now.receivers.includes(name)}
            onChange={(event) => {
              const others = now.receivers.filter((other) => other !== name)
              editRule({ receivers: event.currentTarget.checked ? [...others, name] : others })
            }}
          />{' '}
          {name}
        </label>
      ))}
      {now.receivers.length === 0 && <p class="muted">None is chosen: all are told.</p>}
    </fieldset>
  )
}

function Actions({ now, onSave }: { now: Draft; onSave: () => void }) {
  const sure = useSignal(false)
  return (
    <div class="setting-actions">
      <button type="button" class="primary small" onClick={onSave}>
        Save
      </button>
      <button type="button" class="control" onClick={closeRule}>
        Discard
      </button>
      {now.of !== null &&
        (sure.value ? (
          <>
            <button type="button" class="control bad" onClick={() => void deleteRule()}>
              Delete it for everybody
            </button>
            <button type="button" class="control" onClick={() => (sure.value = false)}>
              Keep it
            </button>
          </>
        ) : (
          <button type="button" class="control" onClick={() => (sure.value = true)}>
            Delete
          </button>
        ))}
    </div>
  )
}

export function RuleForm({ now }: { now: Draft }) {
  const tried = useSignal(false)
  const wrong = wrongIn(now, rules.value?.items ?? [])
  const fields = { ...refusedField(), ...wrong }
  // A name that is not written yet is no mistake before one wants to save.
  if (!tried.value && now.name === '') delete fields.name
  const onSave = () => {
    tried.value = true
    if (Object.keys(wrong).length === 0) void saveRule()
  }
  return (
    <form
      class="rule-form"
      aria-label={now.of === null ? 'New rule' : `Rule ${now.of}`}
      onSubmit={(event) => {
        event.preventDefault()
        onSave()
      }}
    >
      <div class="rule-head">
        <Text
          id="rule-name"
          label="Name"
          value={now.name}
          placeholder="new edge to payments"
          wrong={fields.name}
          onText={(name) => {
            editRule({ name })
          }}
        />
        <Labelled id="rule-kind" label="When" wrong={undefined}>
          <select
            id="rule-kind"
            class="field"
            value={now.kind}
            onChange={(event) => {
              editRule({ kind: event.currentTarget.value, baseline: '', significance: '' })
            }}
          >
            {Object.entries(KINDS).map(([kind, { text }]) => (
              <option key={kind} value={kind}>
                {text}
              </option>
            ))}
          </select>
        </Labelled>
      </div>
      <Windows now={now} wrong={fields} />
      <p class="muted rule-sentence">{sentenceOf(ruleOf(now))}</p>
      <fieldset>
        <legend>Only where</legend>
        <PairRows
          what="Condition"
          add="Add a condition"
          pairs={now.match}
          known={KINDS[now.kind]?.labels ?? []}
          placeholder="payment|checkout"
          onPairs={(match) => {
            editRule({ match })
          }}
        />
        {fields.match !== undefined && (
          <p class="field-error" role="alert">
            {fields.match}
          </p>
        )}
      </fieldset>
      <fieldset>
        <legend>Told with the alert</legend>
        <PairRows
          what="Label"
          add="Add a label"
          pairs={now.labels}
          known={['severity', 'team']}
          placeholder="page"
          onPairs={(labels) => {
            editRule({ labels })
          }}
        />
        <PairRows
          what="Annotation"
          add="Add an annotation"
          pairs={now.annotations}
          known={['runbook', 'description']}
          placeholder="https://wiki.example/payments"
          onPairs={(annotations) => {
            editRule({ annotations })
          }}
        />
        {fields.labels !== undefined && (
          <p class="field-error" role="alert">
            {fields.labels}
          </p>
        )}
      </fieldset>
      <Told now={now} names={rules.value?.receivers ?? []} />
      <TrialOf rule={ruleOf(now)} sound={Object.keys(wrong).every((field) => field === 'name')} />
      {fields.match === undefined && <Refused />}
      <Actions now={now} onSave={onSave} />
    </form>
  )
}

// SPDX-License-Identifier: Apache-2.0
// With what a trace is to be compared: others of the same operation, or any by its id.
import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { address } from '../api/client'
import type { TraceItem, TraceList } from '../api/types'
import { useAnswer } from '../api/use'
import { duration, exactDuration, plural } from '../base/format'
import { go, hrefTo, set } from '../base/route'
import { clock, clockSeconds, ms, when } from '../base/time'
import { traceIdIn } from '../frame/find'
import { Problem } from '../frame/notice'
import { Panel, Row, Section } from '../frame/panel'
import type { Trace } from '../trace/model'
import { quoted } from '../traces/query'

const ASKED = 50
const SHOWN = 6

function Choice({ item, of }: { item: TraceItem; of: string }) {
  const at = ms(item.start)
  return (
    <Row
      left={
        <a href={hrefTo(['trace', item.trace_id, 'diff', of])}>
          {when(at) === clock(at) ? clockSeconds(at) : when(at)}
        </a>
      }
      right={
        <>
          {item.errors > 0 && <span class="bad">{plural(item.errors, 'error')} </span>}
          <span class="muted">{plural(item.spans, 'span')} </span>
          <span title={exactDuration(item.duration_ns)}>{duration(item.duration_ns)}</span>
        </>
      }
    />
  )
}

function Choices({ title, items, of }: { title: string; items: TraceItem[]; of: string }) {
  if (items.length === 0) return null
  return (
    <Section title={title}>
      {items.slice(0, SHOWN).map((item) => (
        <Choice key={item.trace_id} item={item} of={of} />
      ))}
    </Section>
  )
}

/** Any text that has a trace id in it. */
function ById({ of }: { of: string }) {
  const wrong = useSignal(false)
  const field = useRef<HTMLInputElement>(null)
  return (
    <Section>
      <form
        class="compare-id"
        onSubmit={(event) => {
          event.preventDefault()
          const id = traceIdIn(field.current?.value ?? '')
          wrong.value = id === null
          if (id !== null) go(hrefTo(['trace', id, 'diff', of]))
        }}
      >
        <input
          class="field mono"
          ref={field}
          aria-label="Trace id to compare with"
          placeholder="Paste a trace id"
          autocomplete="off"
          spellcheck={false}
        />
        <button class="control">Compare</button>
      </form>
      {wrong.value && <p class="bad">That is no trace id: it has up to 32 hex digits.</p>}
    </Section>
  )
}

export function ChoosePanel({ trace }: { trace: Trace }) {
  const root = trace.rows[0]?.span
  const own = trace.answer.trace_id
  const at = ms(trace.answer.start)
  const day = 86_400e3
  const url = root
    ? address('traces', {
        q: `{ resource.service.name = ${quoted(root.service)} && name = ${quoted(root.name)} }`,
        from: new Date(at - day).toISOString(),
        to: new Date(at + day).toISOString(),
        limit: ASKED,
      })
    : null
  const answer = useAnswer<TraceList>(url)
  const items = (answer.data.value?.items ?? []).filter(
    (item) => item.trace_id !== own && item.root_service === root?.service && item.root_name === root?.name,
  )
  const by = [...items].sort((a, b) => a.duration_ns - b.duration_ns)
  const middle = Math.max(0, Math.floor(by.length / 2) - 1)
  return (
    <Panel
      title="Compare with"
      label="Compare with"
      sub={root ? `others of ${root.service} ${root.name}, within a day` : undefined}
      onClose={() => {
        set({ compare: null }, true)
      }}
    >
      <ById of={own} />
      {answer.error.value && <Problem error={answer.error.value} />}
      {answer.slow.value && (
        <Section>
          <p class="muted" role="status">
            Searching for others…
          </p>
        </Section>
      )}
      <Choices title="Usual" items={by.slice(middle, middle + 3)} of={own} />
      <Choices title="Fastest" items={by.slice(0, 3)} of={own} />
      <Choices title="Slowest" items={by.slice(-3).reverse()} of={own} />
      <Choices title="With errors" items={items.filter((item) => item.errors > 0).slice(0, 3)} of={own} />
      <Choices title="Newest" items={items} of={own} />
      {answer.data.value && items.length === 0 && (
        <Section>
          <p class="muted">There is no other trace of this operation within a day.</p>
        </Section>
      )}
    </Panel>
  )
}

// SPDX-License-Identifier: Apache-2.0
// All about one span.
import { useSignal } from '@preact/signals'
import type { KeyValue, Span, SpanEvent } from '../api/types'
import { duration, durationOf, exactDuration, shortId } from '../base/format'
import { hrefTo, hrefWith } from '../base/route'
import { moment, nsBetween } from '../base/time'
import { ErrorIcon, SearchIcon } from '../frame/icons'
import { CopyButton, Problem } from '../frame/notice'
import { Figures, Panel, Section, type Figure } from '../frame/panel'
import { Against } from './against'
import { detailOf, useDetail, type Looked } from './details'
import type { Row, Trace } from './model'
import { OnTheMap } from './on_the_map'
import { UNKNOWN_KIND, type OutlineSpan } from './outline'
import { sameValue, valueText } from './values'

const LONG = 400

function Value({ text, bad }: { text: string; bad?: boolean }) {
  const open = useSignal(false)
  const cut = text.length > LONG && !open.value
  return (
    <span
      class={bad ? 'attribute-value bad' : 'attribute-value'}
      title={text.length > 28 && text.length < 2000 ? text : undefined}
    >
      {cut ? `${text.slice(0, LONG)}… ` : text}
      {cut && (
        <button class="link" onClick={() => (open.value = true)}>
          all {text.length}
        </button>
      )}
    </span>
  )
}

function isBad(key: string, text: string): boolean {
  return (/status_code$/.test(key) && /^[45]\d\d$/.test(text)) || key === 'error.type'
}

function Attributes({ title, level, list }: { title: string; level: 'span' | 'resource'; list: KeyValue[] }) {
  if (list.length === 0) return null
  return (
    <Section title={title} note={String(list.length)}>
      <dl class="attributes">
        {list.map((pair, index) => {
          const text = valueText(pair.value)
          const q = sameValue(level, pair.key, pair.value)
          return (
            <div key={`${pair.key} ${index}`}>
              <dt title={pair.key}>{pair.key}</dt>
              <dd>
                <Value text={text} {...(isBad(pair.key, text) ? { bad: true } : {})} />
                {q !== null && (
                  <a
                    class="attribute-find"
                    href={hrefTo(['traces'], { q })}
                    aria-label={`Find traces with ${pair.key} = ${text.slice(0, 80)}`}
                    title="Find traces with this value"
                  >
                    <SearchIcon />
                  </a>
                )}
              </dd>
            </div>
          )
        })}
      </dl>
    </Section>
  )
}

function Event({ event, trace }: { event: SpanEvent; trace: Trace }) {
  const get = (key: string) => valueText(event.attributes?.find((pair) => pair.key === key)?.value)
  const exception = event.name === 'exception'
  const rest = (event.attributes ?? []).filter((pair) => !exception || !pair.key.startsWith('exception.'))
  return (
    <div class="event">
      <div class="event-head">
        <span class="muted">+{duration(nsBetween(trace.origin, moment(event.time)))}</span>
        <span class={exception ? 'mono bad' : 'mono'}>{event.name}</span>
      </div>
      {exception && (
        <pre class="stack" tabIndex={0} aria-label="Exception">
          {[get('exception.type'), get('exception.message')].filter((part) => part !== '').join(': ')}
          {get('exception.stacktrace') !== '' && (
            <span class="muted">{`\n${get('exception.stacktrace')}`}</span>
          )}
        </pre>
      )}
      {rest.length > 0 && (
        <dl class="attributes inner">
          {rest.map((pair) => (
            <div key={pair.key}>
              <dt>{pair.key}</dt>
              <dd>
                <Value text={valueText(pair.value)} />
              </dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  )
}

function Links({ span, trace }: { span: OutlineSpan; trace: Trace }) {
  const { links } = span
  if (links.length === 0) return null
  return (
    <Section title="Links" note={String(links.length)}>
      {links.map((link) => {
        const target = trace.rows[trace.bySpan.get(link.span_id) ?? -1]
        const here = link.trace_id === (target?.span.trace_id ?? span.trace_id)
        const href = here
          ? hrefWith({ span: link.span_id })
          : hrefTo(['trace', link.trace_id], { span: link.span_id })
        return (
          <div class="row" key={`${link.trace_id}${link.span_id}`}>
            <a class="row-left" href={href}>
              {target && here
                ? `${target.span.service} ${target.span.name}`
                : here
                  ? 'span of this trace'
                  : 'another trace'}
            </a>
            <span class="row-right mono muted">{shortId(here ? link.span_id : link.trace_id)}</span>
          </div>
        )
      })}
    </Section>
  )
}

/** The flow and the business object that the span names. */
function Business({ span }: { span: Span }) {
  const get = (key: string) => {
    const text = valueText(span.attributes?.find((pair) => pair.key === key)?.value)
    return text === '' ? undefined : text
  }
  const flow = get('coordimap.flow.name')
  const run = get('coordimap.flow.run_id')
  const [type, id] = [get('entity.type'), get('entity.id')]
  if (flow === undefined && (type === undefined || id === undefined)) return null
  return (
    <Section title="For">
      {flow !== undefined && (
        <div class="row">
          <a class="row-left" href={hrefTo(['flows', flow], run === undefined ? {} : { run })}>
            {flow}
          </a>
          <span class="row-right muted">{get('coordimap.flow.step') ?? ''}</span>
        </div>
      )}
      {type !== undefined && id !== undefined && (
        <div class="row">
          <a class="row-left" href={hrefTo(['entity', type, id])}>
            {type} {id}
          </a>
          <span class="row-right muted">all that touched it</span>
        </div>
      )}
    </Section>
  )
}

function Ids({ span, trace }: { span: Span; trace: Trace }) {
  const parent = span.parent_span_id
  const known = parent !== undefined && trace.bySpan.has(parent)
  return (
    <Section title="Identity">
      <dl class="attributes">
        <div>
          <dt>span id</dt>
          <dd>
            {span.span_id} <CopyButton text={span.span_id} label="Copy the span id" />
          </dd>
        </div>
        {parent !== undefined && parent !== '' && (
          <div>
            <dt>parent</dt>
            <dd>
              {known ? (
                <a href={hrefWith({ span: parent })}>{parent}</a>
              ) : (
                <>
                  {parent} <span class="muted">never came</span>
                </>
              )}
            </dd>
          </div>
        )}
        <div>
          <dt>started</dt>
          <dd>{span.start}</dd>
        </div>
        {span.scope?.name !== undefined && span.scope.name !== '' && (
          <div>
            <dt>scope</dt>
            <dd>
              {span.scope.name} {span.scope.version ?? ''}
            </dd>
          </div>
        )}
        {span.trace_state !== undefined && span.trace_state !== '' && (
          <div>
            <dt>trace state</dt>
            <dd>{span.trace_state}</dd>
          </div>
        )}
      </dl>
    </Section>
  )
}

function figuresOf(row: Row, skew: boolean, within?: 'run'): Figure[] {
  const { span } = row
  const start = row.at + (skew ? row.skew : 0)
  const figure = (label: string, ns: number) => ({
    label,
    quantity: durationOf(ns),
    exact: exactDuration(ns),
  })
  return [
    { ...figure('Start', start), quantity: { ...durationOf(start), value: `+${durationOf(start).value}` } },
    figure('Duration', span.duration),
    figure('Self', span.self),
    ...(within === 'run' ? [] : [figure('On critical path', span.criticalTime)]),
  ]
}

function Failure({ message }: { message: string }) {
  return (
    <div class="span-error">
      <ErrorIcon />
      <div>
        <strong>Error</strong>
        {message !== '' && <p>{message}</p>}
      </div>
    </div>
  )
}

/** What the span is to the run among whose traces it is shown. */
function InRun({ row: { span, step } }: { row: Row }) {
  return (
    <Section>
      <div class="row">
        <span class="row-left">
          {step ? `Step ${step.number}, ${step.name}` : 'Between steps'}
          {step?.again === true && <span class="muted"> again</span>}
        </span>
        <a class="row-right" href={hrefTo(['trace', span.trace_id], { span: span.span_id })}>
          Open its trace
        </a>
      </div>
      {step && step.slack > 0 && (
        <p class="muted">The run would not be longer if it took {duration(step.slack)} more.</p>
      )}
    </Section>
  )
}

function Reading() {
  return (
    <Section>
      <p class="muted" role="status">
        Reading its attributes…
      </p>
    </Section>
  )
}

interface Props {
  row: Row
  trace: Trace
  colour: string
  skew: boolean
  /** Shown among the traces of a run. */
  within?: 'run'
  onClose: () => void
}

/** Rows before and behind whose spans are fetched along, and those that have to be there: with keys held down, a
 *  request in some thirty rows. */
const BEFORE = 24
const BEHIND = 40
const NEAR = 8

function lookedAt(row: Row, trace: Trace): Looked {
  const spans = (before: number, behind: number) =>
    trace.rows
      .slice(Math.max(0, row.index - before), row.index + behind)
      .filter((one) => one.head !== true)
      .map((one) => one.span)
  return { span: row.span, near: spans(NEAR, NEAR + 1), around: spans(BEFORE, BEHIND) }
}

function Whole({ span, row, trace }: { span: Span; row: Row; trace: Trace }) {
  const events = span.events ?? []
  return (
    <>
      <Attributes title="Attributes" level="span" list={span.attributes ?? []} />
      {events.length > 0 && (
        <Section title="Events" note={String(events.length)}>
          {events.map((event, index) => (
            <Event key={index} event={event} trace={trace} />
          ))}
        </Section>
      )}
      <Links span={row.span} trace={trace} />
      <OnTheMap span={row.span} at={trace.origin.ms + row.at / 1e6} />
      <Business span={span} />
      <Attributes title="Resource" level="resource" list={span.resource?.attributes ?? []} />
      <Ids span={span} trace={trace} />
    </>
  )
}

export function SpanPanel({ row, trace, colour, skew, within, onClose }: Props) {
  const { span } = row
  const { error, slow } = useDetail(lookedAt(row, trace))
  const whole = detailOf(span)
  const kind = span.kind === UNKNOWN_KIND ? whole?.kind : span.kind
  return (
    <Panel
      title={span.name}
      label={`Span ${span.name}`}
      mark={colour}
      sub={[span.service, kind && `${kind} span`, row.note].filter(Boolean).join(' · ')}
      onClose={onClose}
    >
      {row.error && <Failure message={whole?.status?.message ?? ''} />}
      {span.orphan && (
        <Section>
          <p class="muted">Its parent {whole?.parent_span_id ?? ''} never came. It is shown as a root.</p>
        </Section>
      )}
      {within === 'run' && <InRun row={row} />}
      <Section>
        <Figures small figures={figuresOf(row, skew, within)} />
        {row.skew !== 0 && <p class="muted">Its clock is off by {duration(Math.abs(row.skew))}.</p>}
      </Section>
      {whole && <Against row={row} span={whole} origin={trace.origin} />}
      {whole ? (
        <Whole span={whole} row={row} trace={trace} />
      ) : error.value ? (
        <Problem error={error.value} />
      ) : (
        slow.value && <Reading />
      )}
    </Panel>
  )
}

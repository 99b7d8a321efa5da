// SPDX-License-Identifier: Apache-2.0
// A flow in two windows: what came, went and changed of its steps, transitions and variants.
import { address } from '../api/client'
import { useAnswer } from '../api/use'
import { duration, exact, plural, share } from '../base/format'
import { iso, span } from '../base/time'
import { timeWindow } from '../base/window'
import { Row, Section } from '../frame/panel'
import { comparedWith, stopComparing, type Stretch } from '../map/compare'
import { placeParams } from '../map/place'
import type { FlowDiff, FlowFact } from './types'

const SHOWN = 12
const WORDS: Record<string, string> = {
  share: 'of runs',
  errors: 'errors',
  duration: 'p50',
  wait: 'p50 wait',
}

function titleOf(fact: FlowFact): string {
  if (fact.sequence) return fact.sequence.join(' › ')
  return fact.from !== undefined ? `${fact.from} → ${fact.to ?? ''}` : (fact.name ?? '')
}

function value(fact: FlowFact, at: number): string {
  return fact.what === 'duration' || fact.what === 'wait' ? duration(at) : share(at, 1)
}

/** More errors, longer times and runs that go missing are what one looks for. */
function worse(fact: FlowFact): boolean {
  return fact.what !== 'share' && (fact.b ?? 0) > (fact.a ?? 0)
}

function Fact({ fact, kind }: { fact: FlowFact; kind: 'new' | 'gone' | 'changed' }) {
  const title = titleOf(fact)
  return (
    <Row
      title={title}
      left={
        <>
          {kind !== 'changed' && <span class={`change-dot ${kind}`} aria-hidden="true" />}
          {kind === 'gone' ? <s>{title}</s> : title}
        </>
      }
      right={
        kind === 'changed' ? (
          <span class={worse(fact) ? 'bad' : undefined}>
            {value(fact, fact.a ?? 0)} → {value(fact, fact.b ?? 0)}{' '}
            <span class="muted">{WORDS[fact.what ?? ''] ?? ''}</span>
          </span>
        ) : (
          `${kind} · ${plural(fact.runs ?? 0, 'run')}`
        )
      }
    />
  )
}

function Facts({ title, facts }: { title: string; facts: FlowDiff['steps'] }) {
  const all = [
    ...facts.added.map((fact) => ({ fact, kind: 'new' as const })),
    ...facts.removed.map((fact) => ({ fact, kind: 'gone' as const })),
    ...[...facts.changed]
      .sort((a, b) => (b.significance ?? 0) - (a.significance ?? 0))
      .map((fact) => ({ fact, kind: 'changed' as const })),
  ]
  if (all.length === 0) return null
  return (
    <Section title={title} note={exact(all.length)}>
      {all.slice(0, SHOWN).map(({ fact, kind }) => (
        <Fact key={`${kind} ${titleOf(fact)} ${fact.what ?? ''}`} fact={fact} kind={kind} />
      ))}
      {all.length > SHOWN && <p class="muted">{all.length - SHOWN} more</p>}
    </Section>
  )
}

function Windows({ diff, a, b }: { diff: FlowDiff; a: Stretch; b: Stretch }) {
  return (
    <Section title="Windows" note="runs · failed">
      {(
        [
          ['a', a, diff.a],
          ['b', b, diff.b],
        ] as const
      ).map(([name, stretch, counted]) => (
        <Row
          key={name}
          left={
            <>
              <span class={`window-mark ${name}`}>{name.toUpperCase()}</span> {span(stretch.from, stretch.to)}
            </>
          }
          right={`${exact(counted.runs)} · ${share(counted.failures, counted.runs)}`}
        />
      ))}
      <div class="panel-actions">
        <button class="control" onClick={stopComparing}>
          Stop comparing
        </button>
      </div>
    </Section>
  )
}

/** Shown while the time dock compares two windows. */
export function Changed({ name }: { name: string }) {
  const window = timeWindow.value
  const a = comparedWith()
  const b = { from: window.from, to: window.to }
  const url =
    a === null || window.live
      ? null
      : address(`flows/${encodeURIComponent(name)}/diff`, {
          a_from: iso(a.from),
          a_to: iso(a.to),
          b_from: iso(b.from),
          b_to: iso(b.to),
          ...placeParams(),
        })
  const diff = useAnswer<FlowDiff>(url).data.value
  if (!a || !diff) return null
  const nothing = [diff.steps, diff.follows, diff.variants].every(
    (facts) => facts.added.length + facts.removed.length + facts.changed.length === 0,
  )
  return (
    <div class="flow-changed" role="group" aria-label="Changes between A and B">
      <div class="panel-head">
        <div class="panel-title">
          <h2>Compared</h2>
        </div>
      </div>
      <Windows diff={diff} a={a} b={b} />
      {nothing && (
        <Section>
          <p>Nothing that these windows can prove has changed.</p>
        </Section>
      )}
      <Facts title="Steps" facts={diff.steps} />
      <Facts title="Transitions" facts={diff.follows} />
      <Facts title="Variants" facts={diff.variants} />
    </div>
  )
}

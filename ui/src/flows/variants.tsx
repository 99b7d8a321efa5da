// SPDX-License-Identifier: Apache-2.0
// The panel of a flow: its variants by share, where runs end early, what steps touch.
import { duration, exact, plural, share } from '../base/format'
import { hrefTo, hrefWith, param } from '../base/route'
import { Row, Section } from '../frame/panel'
import { Changed } from './changed'
import { Expected } from './expected'
import type { Flow, FlowVariant } from './types'
import { variantWords } from './variant_words'

const SHOWN = 8
const MOST_STEPS = 14

function Sequence({ variant, numbers }: { variant: FlowVariant; numbers: Map<string, number> }) {
  const seen = new Set<string>()
  return (
    <span class="sequence">
      {variant.sequence.slice(0, MOST_STEPS).map((step, index) => {
        const again = seen.has(step)
        seen.add(step)
        return (
          <span key={index} class={again ? 'again' : undefined} title={again ? `${step}, again` : step}>
            {numbers.get(step) ?? '?'}
          </span>
        )
      })}
      {(variant.cut === true || variant.sequence.length > MOST_STEPS) && <em>…</em>}
    </span>
  )
}

function outcome(variant: FlowVariant): string {
  const failures = variant.failures ?? 0
  if (failures === 0) return 'finished'
  return failures === variant.runs ? 'failed' : `${share(failures, variant.runs)} failed`
}

function Item({
  variant,
  flow,
  numbers,
}: {
  variant: FlowVariant
  flow: Flow
  numbers: Map<string, number>
}) {
  const chosen = param('variant') === variant.id
  const part = variant.runs / Math.max(1, flow.runs)
  const words = variantWords(variant, flow.happy_path)
  const bad = (variant.failures ?? 0) > variant.runs / 2
  return (
    <li>
      <a
        class={`variant ${chosen ? 'chosen' : ''}`}
        href={hrefWith({ variant: chosen ? null : variant.id, run: null, at: null })}
        aria-current={chosen ? 'true' : undefined}
      >
        <strong>{share(variant.runs, flow.runs)}</strong>
        <span class="variant-words" title={words}>
          {words}
        </span>
        <span class="variant-runs muted">{plural(variant.runs, 'run')}</span>
        <span class="variant-bar">
          <span class={bad ? 'bad' : undefined} style={{ transform: `scaleX(${Math.max(0.004, part)})` }} />
        </span>
        <Sequence variant={variant} numbers={numbers} />
        <span class={bad ? 'variant-end bad' : 'variant-end muted'}>
          {outcome(variant)}
          {variant.duration && ` · ${duration(variant.duration.p50_ns)}`}
        </span>
      </a>
    </li>
  )
}

function EndEarly({ flow }: { flow: Flow }) {
  const failed = flow.steps.filter((step) => (step.failed_ends ?? 0) > 0)
  if (failed.length === 0) return null
  return (
    <Section title="Where runs fail">
      {failed
        .sort((a, b) => (b.failed_ends ?? 0) - (a.failed_ends ?? 0))
        .map((step) => (
          <Row
            key={step.name}
            left={step.name}
            right={share(step.failed_ends ?? 0, flow.runs)}
            title={exact(step.failed_ends ?? 0)}
          />
        ))}
    </Section>
  )
}

function Touches({ flow, step }: { flow: Flow; step: string | null }) {
  const touches = flow.touches.filter((touch) => step === null || touch.step === step)
  if (touches.length === 0) return null
  return (
    <Section
      title="Touches"
      note={`${step ?? 'all steps'}${flow.touches_truncated === true ? ', of the traces read so far' : ''}`}
    >
      {[...touches]
        .sort((a, b) => b.count - a.count)
        .slice(0, 14)
        .map((touch) => (
          <Row
            key={`${touch.step} ${touch.relation} ${touch.node}`}
            left={
              <>
                <a href={hrefTo(['map'], { node: touch.node })}>{touch.name ?? touch.node}</a>{' '}
                <span class="muted">
                  {touch.relation}
                  {step === null && ` · ${touch.step}`}
                </span>
              </>
            }
            right={exact(touch.count)}
          />
        ))}
    </Section>
  )
}

export function Variants({
  flow,
  numbers,
  step,
}: {
  flow: Flow
  numbers: Map<string, number>
  step: string | null
}) {
  const all = param('variants') === 'all'
  const shown = flow.variants.slice(0, all ? 200 : SHOWN)
  const rest = flow.variants.length - shown.length + (flow.other_variants ?? 0)
  const restRuns = flow.runs - shown.reduce((sum, variant) => sum + variant.runs, 0)
  return (
    <aside
      class={param('view') === 'variants' ? 'panel flow-panel shown' : 'panel flow-panel'}
      aria-label="Variants"
    >
      <Changed name={flow.name} />
      <div class="panel-head">
        <div class="panel-title">
          <h2>Variants</h2>
          <span class="panel-note muted">{exact(flow.variants.length + (flow.other_variants ?? 0))}</span>
        </div>
      </div>
      <ol class="variants">
        {shown.map((variant) => (
          <Item key={variant.id} variant={variant} flow={flow} numbers={numbers} />
        ))}
      </ol>
      {rest > 0 && (
        <Section>
          <a href={hrefWith({ variants: 'all' })}>
            {plural(rest, 'more variant')}, {share(Math.max(0, restRuns), flow.runs)} of runs
          </a>
        </Section>
      )}
      <Expected name={flow.name} runs={flow.runs} />
      <EndEarly flow={flow} />
      <Touches flow={flow} step={step} />
    </aside>
  )
}

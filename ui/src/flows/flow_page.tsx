// SPDX-License-Identifier: Apache-2.0
// One flow: its picture with a slider for rare paths, variants beside it, one run played below it, or its runs.
import { useMemo } from 'preact/hooks'
import { address, ApiError } from '../api/client'
import type { List } from '../api/types'
import { useAnswer } from '../api/use'
import { duration, exact, plural, share } from '../base/format'
import { useKeys } from '../base/keys'
import { hrefTo, hrefWith, param, set } from '../base/route'
import { timeWindow, windowParams } from '../base/window'
import { Dock } from '../dock/dock'
import { Notice, Problem } from '../frame/notice'
import { flowParams } from './definitions'
import { drawingOf, type Drawing } from './drawing'
import { FlowPicture } from './flow_picture'
import { HistoryStrip } from './history'
import { Player, stepShown } from './player'
import { Runs } from './runs'
import type { Flow, Run, RunItem } from './types'
import { Variants } from './variants'

const LIVE_MS = 10_000
const DEFAULT_RARE = 1

/** Percent of runs that a path must have to be shown. */
function rareFrom(): number {
  const wanted = Number(param('rare') ?? DEFAULT_RARE)
  return Number.isFinite(wanted) ? Math.max(0, Math.min(50, wanted)) : DEFAULT_RARE
}

function Head({ flow, runs }: { flow: Flow; runs: boolean }) {
  return (
    <div class="flow-head">
      <nav class="trace-path" aria-label="Flow">
        <a href={hrefTo(['flows'])}>Flows</a>
        <span class="muted" aria-hidden="true">
          ›
        </span>
        <h1>{flow.name}</h1>
        {flow.defined === true && (
          <span class="muted">
            defined here
            {flow.truncated === true && ' · more runs than could be read: choose a shorter window'}
          </span>
        )}
      </nav>
      <div class="flow-switches">
        <div class="segments" role="group" aria-label="Laid over">
          <a href={hrefWith({})} aria-current="true">
            Steps
          </a>
          {flow.defined !== true && <a href={hrefTo(['map'], { flow: flow.name })}>On the system map</a>}
        </div>
        <div class="segments" role="group" aria-label="Shown as">
          <a href={hrefWith({ view: null })} aria-current={runs ? undefined : 'true'}>
            Picture
          </a>
          <a href={hrefWith({ view: 'runs' })} aria-current={runs ? 'true' : undefined}>
            Runs
          </a>
          <a
            class="narrow-only"
            href={hrefWith({ view: 'variants' })}
            aria-current={param('view') === 'variants' ? 'true' : undefined}
          >
            Variants
          </a>
        </div>
      </div>
      <dl class="flow-figures">
        {figures(flow).map(([label, value, bad]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd class={bad ? 'bad' : undefined}>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  )
}

function figures(flow: Flow): [string, string, boolean][] {
  const out: [string, string, boolean][] = [
    ['Runs', exact(flow.runs), false],
    ['Finished', share(flow.runs - flow.failures, flow.runs), false],
    ['Failed', share(flow.failures, flow.runs), flow.failures > 0],
  ]
  if (flow.duration) {
    out.push(['Duration p50', duration(flow.duration.p50_ns), false])
    out.push(['p99', duration(flow.duration.p99_ns), false])
  }
  out.push(['Variants', exact(flow.variants.length + (flow.other_variants ?? 0)), false])
  return out
}

function Slider({ drawing }: { drawing: Drawing }) {
  const rare = rareFrom()
  // By squares: half of the way is for the rarest paths.
  const place = Math.round(Math.sqrt(rare / 50) * 100)
  return (
    <div class="flow-foot">
      <label class="rare">
        Paths from
        <input
          type="range"
          min={0}
          max={100}
          value={place}
          aria-valuetext={`${rare} % of runs`}
          onInput={(event) => {
            const at = Number(event.currentTarget.value) / 100
            const percent = Number((50 * at * at).toPrecision(2))
            set({ rare: percent === DEFAULT_RARE ? null : String(percent), at: null }, true)
          }}
        />
        <strong>{rare} % of runs</strong>
      </label>
      <span class="muted">
        {drawing.hidden > 0 &&
          `${plural(drawing.hidden, 'rarer path')} hidden, ${share(drawing.hiddenShare, 1)}`}
      </span>
      <span class="muted flow-legend">width = runs · share of runs above the line · p50 wait below</span>
    </div>
  )
}

/** Which service performs a step: the one that the flow's touches name, else the run's. */
function servicesOf(flow: Flow, runs: (Run | null)[]): Map<string, string> {
  const services = new Map<string, string>()
  for (const touch of flow.touches)
    if (touch.relation === 'performs' || touch.relation === 'performed_by')
      services.set(touch.step, touch.name ?? '')
  for (const span of runs.flatMap((run) => run?.steps ?? []))
    if (span.step !== undefined) services.set(span.step, span.service.name)
  return services
}

/** While no run is chosen the newest one tells which service performs which step. */
function useAnyRun(name: string): Run | null {
  const path = `flows/${encodeURIComponent(name)}/runs`
  const place = flowParams()
  const newest = useAnswer<List<RunItem>>(
    address(path, { ...windowParams(timeWindow.value), ...place, status: 'ok', limit: 1 }),
  ).data.value?.items[0]
  const url = newest ? address(`${path}/${encodeURIComponent(newest.run_id)}`, place) : null
  return useAnswer<Run>(url).data.value
}

function useRun(name: string): Run | null {
  const id = param('run')
  const url =
    id === null
      ? null
      : address(`flows/${encodeURIComponent(name)}/runs/${encodeURIComponent(id)}`, flowParams())
  return useAnswer<Run>(url).data.value
}

function Shown({ flow }: { flow: Flow }) {
  const rare = rareFrom()
  const drawing = useMemo(() => drawingOf(flow, rare / 100), [flow, rare])
  const run = useRun(flow.name)
  const any = useAnyRun(flow.name)
  const runs = param('view') === 'runs'
  const variant = flow.variants.find((candidate) => candidate.id === param('variant'))
  const at = stepShown(run)
  const sequence = run ? run.steps.map((span) => span.step ?? '') : (variant?.sequence ?? [])
  const current = run ? (run.steps[at]?.step ?? null) : param('at-step')
  return (
    <>
      <main class={param('view') === 'variants' ? 'column flow-page aside' : 'column flow-page'}>
        <Head flow={flow} runs={runs} />
        <HistoryStrip name={flow.name} />
        {runs ? (
          <Runs name={flow.name} />
        ) : (
          <div class="picture flow-picture">
            <FlowPicture
              flow={flow}
              drawing={drawing}
              services={servicesOf(flow, [any, run])}
              sequence={sequence}
              current={current}
              onStep={(name) => {
                const index = run?.steps.findIndex((span) => span.step === name) ?? -1
                if (index >= 0) set({ step: String(index) }, true)
                else set({ 'at-step': current === name ? null : name }, true)
              }}
            />
            <Slider drawing={drawing} />
          </div>
        )}
        {run && !runs && <Player run={run} flow={flow} numbers={drawing.numbers} />}
        <Dock answer={null} />
      </main>
      <Variants flow={flow} numbers={drawing.numbers} step={current} />
    </>
  )
}

/** All that the newest answer tells, but what steps touch as the one tells that took longer. */
function withTouches(first: Flow | null, touched: Flow | null): Flow | null {
  if (!first || !touched) return first
  return { ...first, touches: touched.touches, touches_truncated: touched.touches_truncated === true }
}

export function FlowPage({ name }: { name: string }) {
  const window = timeWindow.value
  const url = address(`flows/${encodeURIComponent(name)}`, { ...windowParams(window), ...flowParams() })
  const answer = useAnswer<Flow>(url, window.live ? LIVE_MS : null)
  useKeys({
    Escape: () => {
      if (param('run') !== null) set({ run: null, step: null })
      else if (param('variant') !== null) set({ variant: null })
      else return false
      return true
    },
  })
  const first = answer.data.value
  // What steps of a defined flow touch may need more time than the rest: shown as far as it is known, then asked for.
  const restUrl = first?.touches_truncated === true ? `${url}&touches=true` : null
  const rest = useAnswer<Flow>(restUrl, window.live ? LIVE_MS : null)
  const touched = rest.of.value === restUrl ? rest.data.value : null
  const flow = useMemo(() => withTouches(first, touched), [first, touched])
  const error = answer.error.value
  if (flow && flow.runs > 0 && !(error instanceof ApiError)) {
    return (
      <div class="page">
        <Shown flow={flow} />
      </div>
    )
  }
  return (
    <div class="page">
      <main class="column">
        {error ? (
          <Problem error={error} />
        ) : flow ? (
          <Notice title={`${name} did not run in this window`}>
            <p>
              Choose a longer window, or go to <a href={hrefTo(['flows'])}>all flows</a>.
            </p>
          </Notice>
        ) : (
          answer.slow.value && <p class="waiting">Reading the flow…</p>
        )}
        <div class="column-rest" />
        <Dock answer={null} />
      </main>
    </div>
  )
}

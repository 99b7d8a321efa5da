// SPDX-License-Identifier: Apache-2.0
// The shapes of /flows and /entities.
import type { Quantiles } from '../api/types'

export interface FlowItem {
  name: string
  scope: string
  environment: string
  runs: number
  failures: number
  duration?: Quantiles
  steps: number
  variants: number
  last_seen?: string
  /** People defined it. */
  defined?: boolean
  truncated?: boolean
}

export interface FlowDefinition {
  name: string
  key: string
  within: string
  steps: { name: string; filter: string }[]
  source?: string | undefined
}

export interface FlowDefinitions {
  version: number
  items: FlowDefinition[]
}

export interface FlowStep {
  name: string
  count: number
  errors?: number
  runs?: number
  share?: number
  rework?: number
  ends?: number
  failed_ends?: number
  duration?: Quantiles
}

export interface FlowFollow {
  from: string
  to: string
  count: number
  runs?: number
  share?: number
  parallel?: boolean
  wait?: Quantiles
}

export interface FlowVariant {
  id: string
  sequence: string[]
  cut?: boolean
  runs: number
  share?: number
  failures?: number
  duration?: Quantiles
}

export interface FlowTouch {
  step: string
  relation: string
  node: string
  name?: string
  count: number
}

export interface Flow {
  name: string
  runs: number
  failures: number
  duration?: Quantiles
  steps: FlowStep[]
  follows: FlowFollow[]
  starts: Record<string, number>
  ends: Record<string, number>
  variants: FlowVariant[]
  /** What most runs did that did not fail; null when all failed. */
  happy_path: FlowVariant | null
  other_variants?: number
  other_runs?: number
  touches: FlowTouch[]
  /** Not all traces were looked at for them yet. */
  touches_truncated?: boolean
  defined?: boolean
  truncated?: boolean
}

export interface FlowElements {
  steps: { name: string; again?: boolean }[]
  follows: { from: string; to: string; again?: boolean }[]
}

export interface FlowDeploy {
  time: string
  name: string
  version: string
}

export interface FlowHistory {
  from: string
  to: string
  points: { time: string; runs: number; failures: number }[]
  versions: {
    version: number
    time: string
    steps: number
    follows: number
    came: FlowElements
    went: FlowElements
  }[]
  variants: {
    id: string
    sequence: string[]
    intervals: { from: string; to: string; before: boolean; ongoing: boolean }[]
  }[]
  deploys: FlowDeploy[]
}

export interface RunItem {
  run_id: string
  flow: string
  defined?: boolean
  scope: string
  environment: string
  status: string
  start: string
  duration_ns: number
  steps: number
  variant?: string
  sequence?: string[]
  traces: string[]
}

export interface RunSpan {
  service: { id: string; name: string }
  trace_id: string
  span_id: string
  start: string
  duration_ns: number
  status: string
  step?: string
  wait_ns?: number
  /** The run would have been shorter without it; else how much later it could have ended. */
  critical?: boolean
  slack_ns?: number
}

export interface Run {
  run_id: string
  flow: string
  scope: string
  environment: string
  status: string
  truncated?: boolean
  start: string
  end: string
  duration_ns: number
  steps: RunSpan[]
  /** Its spans that are no step. */
  envelopes?: RunSpan[]
  traces: string[]
}

export interface RunName {
  flow: string
  run_id: string
  start: string
}

export interface Entity {
  type: string
  id: string
  traces: { trace_id: string; start: string; runs: RunName[] }[]
  runs: RunName[]
  truncated?: boolean
}

export interface Conformance {
  name: string
  expected: string[]
  /** Pairs of steps whose order does not count. */
  parallel?: string[][]
  conforming: number
  deviating: number
  unchecked: number
  share: number
  deviations: { kind: string; step: string; runs: number; variants: number }[]
}

/** A step has a name, a transition from and to, a variant id and sequence. */
export interface FlowFact {
  name?: string
  from?: string
  to?: string
  id?: string
  sequence?: string[]
  runs?: number
  what?: 'share' | 'errors' | 'duration' | 'wait'
  a?: number
  b?: number
  significance?: number
}

interface FlowFacts {
  added: FlowFact[]
  removed: FlowFact[]
  changed: FlowFact[]
}

interface FlowCounted {
  from: string
  to: string
  runs: number
  failures: number
}

export interface FlowDiff {
  name: string
  a: FlowCounted
  b: FlowCounted
  steps: FlowFacts
  follows: FlowFacts
  variants: FlowFacts
}

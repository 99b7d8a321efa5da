// SPDX-License-Identifier: Apache-2.0
// Two traces compared, as /traces/{a}/diff/{b} answers.
export interface DiffSide {
  trace_id: string
  start: string
  duration_ns: number
  spans: number
  errors: number
  truncated?: { reason: string; message: string } | null
}

/** Sums over the spans of a step in one of the traces. */
export interface StepSide {
  spans: number
  errors: number
  offset_ns: number
  duration_ns: number
  self_time_ns: number
  critical_ns: number
}

export interface DiffStep {
  parent: number | null
  depth: number
  service: string
  name: string
  kind: string
  change: 'same' | 'changed' | 'added' | 'removed'
  what: ('spans' | 'errors' | 'duration')[]
  a: StepSide | null
  b: StepSide | null
}

export interface TraceDiff {
  a: DiffSide
  b: DiffSide
  same: number
  changed: number
  added: number
  removed: number
  steps: DiffStep[]
}

// SPDX-License-Identifier: Apache-2.0
// The shapes of /alerts.
export type Labels = Record<string, string>

export interface Alert {
  fingerprint: string
  state: 'pending' | 'firing'
  labels: Labels
  annotations: Labels
  active_since: string
  /** Id of the silence that holds it back. */
  silenced_by: string | null
}

export interface AlertRule {
  name: string
  kind: string
  match: Labels
  window?: string
  baseline?: string
  for?: string
  significance?: number
  labels?: Labels
  annotations?: Labels
  /** Names of those that are told; none: all. */
  receivers?: string[]
  source?: string
}

export interface TrialAlert {
  labels: Labels
  annotations: Labels
  firing_since: string
  /** Null: it fired still at the end. */
  resolved: string | null
}

export interface Trial {
  from: string
  to: string
  step_ns: number
  total: number
  truncated: boolean
  items: TrialAlert[]
}

export interface AlertRules {
  version: number
  items: AlertRule[]
  receivers: string[]
}

export interface Silence {
  id: string
  match: Labels
  from: string
  to: string
  author: string
  comment: string
}

export interface TestAnswer {
  delivered: boolean
  status: number
  answer: string
  duration_ns: number
}

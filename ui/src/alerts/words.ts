// SPDX-License-Identifier: Apache-2.0
// What the kinds of rules are called, what they can be narrowed by, and what a rule says as a sentence.
import { lengthMs, lengthText } from '../base/time'
import type { AlertRule } from './types'

interface Kind {
  text: string
  /** Defaults of the server, shown where a field is empty. */
  baseline: string
  significance: string
  labels: string[]
  /** After "Fires when". */
  says: (window: string, baseline: string) => string
}

const EDGE = ['source', 'target', 'relation']
const CHANGE = ['change', 'direction']
const PLACE = ['scope', 'environment']

export const KINDS: Record<string, Kind> = {
  edge_appeared: {
    text: 'An edge appears',
    baseline: '1d',
    significance: '0',
    labels: [...EDGE, ...PLACE],
    says: (window, baseline) =>
      `an edge of the map is there in the last ${window} and was not in the ${baseline} before`,
  },
  edge_vanished: {
    text: 'An edge vanishes',
    baseline: '1d',
    significance: '2',
    labels: [...EDGE, ...PLACE],
    says: (window, baseline) =>
      `an edge of the ${baseline} before is not there in the last ${window}, and chance hardly explains that`,
  },
  edge_changed: {
    text: 'An edge changes',
    baseline: '1h',
    significance: '2',
    labels: [...EDGE, ...CHANGE, ...PLACE],
    says: (window, baseline) =>
      `rate, errors or latency of an edge in the last ${window} differ from the ${baseline} before by more than they vary`,
  },
  node_appeared: {
    text: 'A node appears',
    baseline: '1d',
    significance: '0',
    labels: ['node', 'type', 'flow', 'step', ...PLACE],
    says: (window, baseline) =>
      `a service, database, table, queue, external system, flow or step is there in the last ${window} and was not in the ${baseline} before`,
  },
  node_vanished: {
    text: 'A node vanishes',
    baseline: '1d',
    significance: '0',
    labels: ['node', 'type', 'flow', 'step', ...PLACE],
    says: (window, baseline) => `a node of the ${baseline} before is not there in the last ${window}`,
  },
  step_changed: {
    text: 'A step changes',
    baseline: '1h',
    significance: '2',
    labels: ['flow', 'step', 'service', ...CHANGE, ...PLACE],
    says: (window, baseline) =>
      `rate, failures or duration of a flow’s step in the last ${window} differ from the ${baseline} before by more than they vary`,
  },
  flow_stopped: {
    text: 'A flow stops',
    baseline: '1h',
    significance: '2',
    labels: ['flow', ...PLACE],
    says: (window, baseline) =>
      `a flow that ran in the ${baseline} before did not run in the last ${window}, and chance hardly explains that`,
  },
  variant_appeared: {
    text: 'A variant appears',
    baseline: '1d',
    significance: '0',
    labels: ['flow', 'variant', ...PLACE],
    says: (window, baseline) =>
      `a run in the last ${window} has a sequence of steps that its flow, there in the ${baseline} before, never had`,
  },
}

/** 5m → 5 min; what is no length stays as it is. */
function lengthWords(text: string): string {
  const length = lengthMs(text)
  return length === null ? text : lengthText(length)
}

export function kindOf(rule: AlertRule): Kind | undefined {
  return KINDS[rule.kind]
}

export function sentenceOf(rule: AlertRule): string {
  const kind = kindOf(rule)
  if (!kind) return ''
  const window = rule.window === undefined || rule.window === '' ? '5m' : rule.window
  const baseline = rule.baseline === undefined || rule.baseline === '' ? kind.baseline : rule.baseline
  const lasting =
    rule.for === undefined || rule.for === '' || rule.for === '0s'
      ? ''
      : `, for ${lengthWords(rule.for)} without a break`
  return `Fires when ${kind.says(lengthWords(window), lengthWords(baseline))}${lasting}.`
}

export function matchWords(match: Record<string, string>): string {
  return Object.entries(match)
    .map(([label, pattern]) => `${label} ${pattern}`)
    .join(', ')
}

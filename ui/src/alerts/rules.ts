// SPDX-License-Identifier: Apache-2.0
// Rules while they are edited: what was read, the one that is open, what is wrong with it.
import { signal } from '@preact/signals'
import { ApiError, address, get, problemOf, send, type Unreachable } from '../api/client'
import { lengthMs } from '../base/time'
import type { AlertRule, AlertRules, Labels } from './types'

/** Of labels that are being written: two may have the same name for a while. */
export type Pairs = [string, string][]

export interface Draft {
  /** The name that it was read with; null: a new one. */
  of: string | null
  name: string
  kind: string
  window: string
  baseline: string
  lasting: string
  significance: string
  match: Pairs
  labels: Pairs
  annotations: Pairs
  /** None: all. */
  receivers: string[]
}

export type Field = 'name' | 'window' | 'baseline' | 'lasting' | 'significance' | 'match' | 'labels'

export const rules = signal<AlertRules | null>(null)
export const draft = signal<Draft | null>(null)
export const problem = signal<ApiError | Unreachable | null>(null)

export async function loadRules(): Promise<void> {
  try {
    rules.value = await get<AlertRules>(address('alerts/rules'))
    problem.value = null
  } catch (error) {
    problem.value = problemOf(error)
  }
}

const EMPTY: Draft = {
  of: null,
  name: '',
  kind: 'edge_appeared',
  window: '',
  baseline: '',
  lasting: '',
  significance: '',
  match: [],
  labels: [],
  annotations: [],
  receivers: [],
}

function draftOf(rule: AlertRule): Draft {
  const lasting = rule.for ?? ''
  return {
    of: rule.name,
    name: rule.name,
    kind: rule.kind,
    window: rule.window ?? '',
    baseline: rule.baseline ?? '',
    lasting: lasting === '0s' ? '' : lasting,
    significance: rule.significance === undefined ? '' : String(rule.significance),
    match: Object.entries(rule.match),
    labels: Object.entries(rule.labels ?? {}),
    annotations: Object.entries(rule.annotations ?? {}),
    receivers: rule.receivers ?? [],
  }
}

/** Null: a new one. */
export function openRule(rule: AlertRule | null): void {
  problem.value = null
  draft.value = rule ? draftOf(rule) : EMPTY
}

export function closeRule(): void {
  draft.value = null
  problem.value = null
}

export function editRule(patch: Partial<Draft>): void {
  const now = draft.value
  if (!now) return
  draft.value = { ...now, ...patch }
  // A refusal was about what stood there; a conflict stays until the rules are read.
  if (!isConflict()) problem.value = null
}

export function isConflict(): boolean {
  const error = problem.value
  return error instanceof ApiError && error.status === 409
}

function labelsOf(pairs: Pairs): Labels {
  return Object.fromEntries(pairs.filter(([key]) => key.trim() !== ''))
}

export function ruleOf(now: Draft): AlertRule {
  return {
    name: now.name.trim(),
    kind: now.kind,
    match: labelsOf(now.match),
    labels: labelsOf(now.labels),
    annotations: labelsOf(now.annotations),
    receivers: now.receivers,
    ...(now.window === '' ? {} : { window: now.window }),
    ...(now.baseline === '' ? {} : { baseline: now.baseline }),
    ...(now.lasting === '' ? {} : { for: now.lasting }),
    ...(now.significance === '' ? {} : { significance: Number(now.significance) }),
  }
}

const WINDOW_MAX_MS = 7 * 86_400e3
const BASELINE_MAX_MS = 30 * 86_400e3

function lengthWrong(text: string, most: number, mostText: string): string | undefined {
  if (text === '') return undefined
  const length = lengthMs(text)
  if (length === null) return 'A length such as 5m, 2h or 1d.'
  if (length % 60e3 !== 0 || length === 0) return 'Whole minutes, at least one.'
  return length > most ? `At most ${mostText}.` : undefined
}

/** What is wrong with the draft by itself, by field: said before the server has to. */
export function wrongIn(now: Draft, all: AlertRule[]): Partial<Record<Field, string>> {
  const out: Partial<Record<Field, string>> = {}
  const put = (field: Field, text: string | undefined) => {
    if (text !== undefined) out[field] = text
  }
  const name = now.name.trim()
  if (name === '') put('name', 'A rule has a name; alerts are told by it.')
  else if (all.some((rule) => rule.name === name && rule.name !== now.of))
    put('name', 'Another rule has this name.')
  put('window', lengthWrong(now.window, WINDOW_MAX_MS, '7d'))
  put('baseline', lengthWrong(now.baseline, BASELINE_MAX_MS, '30d'))
  if (now.lasting !== '' && lengthMs(now.lasting) === null) put('lasting', 'A length such as 5m, or nothing.')
  if (now.significance !== '' && !(Number(now.significance) >= 0))
    put('significance', 'A number from 0; 2 is one false alarm in a hundred.')
  const twice = (pairs: Pairs) => new Set(pairs.map(([key]) => key)).size < pairs.length
  if (twice(now.match)) put('match', 'Each label once: write a|b for either of two.')
  if (twice(now.labels)) put('labels', 'Each label once.')
  return out
}

/** The saved list with the draft in its place, or, with null, without it. */
async function put(rule: AlertRule | null): Promise<boolean> {
  const list = rules.value
  const now = draft.value
  if (!list || !now) return false
  const items = list.items.filter((item) => item.source !== 'configuration')
  const at = items.findIndex((item) => item.name === now.of)
  items.splice(at < 0 ? items.length : at, at < 0 ? 0 : 1, ...(rule ? [rule] : []))
  try {
    rules.value = await send<AlertRules>('PUT', address('alerts/rules'), { version: list.version, items })
    closeRule()
    return true
  } catch (error) {
    problem.value = problemOf(error)
    return false
  }
}

export function saveRule(): Promise<boolean> {
  return put(draft.value ? ruleOf(draft.value) : null)
}

export function deleteRule(): Promise<boolean> {
  return put(null)
}

// SPDX-License-Identifier: Apache-2.0
// Flows defined here while they are edited: what was read, the one that is open, what it would find.
import { signal } from '@preact/signals'
import { ApiError, address, get, problemOf, send, type Unreachable } from '../api/client'
import type { List } from '../api/types'
import { timeWindow, windowParams } from '../base/window'
import { placeParams } from '../map/place'
import { param } from '../base/route'
import type { Flow, FlowDefinition, FlowDefinitions } from './types'

export interface Draft {
  /** The name that it was read with; null: a new one. */
  of: string | null
  flow: FlowDefinition
}

export const definitions = signal<FlowDefinitions | null>(null)
export const draft = signal<Draft | null>(null)
export const found = signal<Flow | null>(null)
export const problem = signal<ApiError | Unreachable | null>(null)

const LOOK_AFTER_MS = 400
let timer: ReturnType<typeof setTimeout> | undefined
let asked = 0

/** What the calls about one flow are asked with: its place, and which of two of one name it is. */
export function flowParams(): Record<string, string> {
  const defined = param('defined')
  return { ...placeParams(), ...(defined === null ? {} : { defined }) }
}

function close(): void {
  clearTimeout(timer)
  asked++
  draft.value = null
  found.value = null
  problem.value = null
}

export async function load(): Promise<void> {
  try {
    definitions.value = await get<FlowDefinitions>(address('flow-definitions'))
  } catch (error) {
    problem.value = problemOf(error)
  }
}

/** Steps that are not written yet are no steps. */
function sent(flow: FlowDefinition): FlowDefinition {
  return { ...flow, steps: flow.steps.filter((step) => step.name.trim() !== '' && step.filter.trim() !== '') }
}

async function look(): Promise<void> {
  const now = draft.value
  const number = ++asked
  if (!now || sent(now.flow).steps.length === 0) {
    found.value = null
    return
  }
  const flow = { ...sent(now.flow), name: now.flow.name || 'new', source: undefined }
  try {
    const url = address('flow-definitions/preview', windowParams(timeWindow.value))
    const answer = await send<List<Flow>>('POST', url, { items: [flow] })
    if (number !== asked) return
    found.value = answer.items[0] ?? null
    problem.value = null
  } catch (error) {
    if (number !== asked) return
    found.value = null
    problem.value = problemOf(error)
  }
}

export function edit(patch: Partial<FlowDefinition>): void {
  const now = draft.value
  if (!now) return
  draft.value = { ...now, flow: { ...now.flow, ...patch } }
  clearTimeout(timer)
  timer = setTimeout(() => void look(), LOOK_AFTER_MS)
}

export function editStep(at: number, patch: Partial<FlowDefinition['steps'][number]>): void {
  const steps = draft.value?.flow.steps ?? []
  edit({ steps: steps.map((step, place) => (place === at ? { ...step, ...patch } : step)) })
}

export function open(flow: FlowDefinition | null): void {
  const empty = { name: '', key: '', within: '1h', steps: [{ name: '', filter: '' }], source: 'saved' }
  close()
  draft.value = { of: flow?.name ?? null, flow: flow ?? empty }
  void look()
}

export { close as discard }

/** The list with the draft in its place, or, with null, without it. */
async function put(flow: FlowDefinition | null): Promise<boolean> {
  const list = definitions.value
  const now = draft.value
  if (!list || !now) return false
  const items = list.items.filter((item) => item.source !== 'configuration')
  const at = items.findIndex((item) => item.name === now.of)
  items.splice(at < 0 ? items.length : at, at < 0 ? 0 : 1, ...(flow ? [flow] : []))
  try {
    const body = { version: list.version, items }
    definitions.value = await send<FlowDefinitions>('PUT', address('flow-definitions'), body)
    close()
    return true
  } catch (error) {
    asked++
    problem.value = problemOf(error)
    return false
  }
}

export function save(): Promise<boolean> {
  return put(draft.value ? sent(draft.value.flow) : null)
}

export function remove(): Promise<boolean> {
  return put(null)
}

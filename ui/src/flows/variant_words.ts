// SPDX-License-Identifier: Apache-2.0
// A variant in words: how it differs from the happy path, the one that most runs went without failing.
import type { FlowVariant } from './types'

const NAMED = 2

function counts(sequence: string[]): Map<string, number> {
  const out = new Map<string, number>()
  for (const step of sequence) out.set(step, (out.get(step) ?? 0) + 1)
  return out
}

function list(steps: string[]): string {
  const rest = steps.length - NAMED
  return steps.slice(0, NAMED).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
}

function times(step: string, more: number): string {
  return more === 1 ? `${step} again` : `${step} ${more + 1} times`
}

/** Whether the runs stopped on the happy way: nothing that comes later on it was done. */
function endOf(sequence: string[], happy: string[]): string | null {
  const last = sequence.at(-1)
  const done = new Set(sequence)
  const reached = Math.max(...happy.map((step, at) => (done.has(step) ? at : -1)))
  if (last === undefined || reached < 0 || reached === happy.length - 1) return null
  return happy.slice(0, reached).every((step) => done.has(step)) ? last : null
}

export function variantWords(variant: FlowVariant, happy: FlowVariant | null): string {
  if (!happy || happy.id === variant.id) return happy ? 'Happy path' : ''
  if (variant.cut === true || happy.cut === true) return ''
  const [own, usual] = [counts(variant.sequence), counts(happy.sequence)]
  const again = [...own].flatMap(([step, n]) => {
    const more = n - Math.max(1, usual.get(step) ?? 0)
    return more > 0 ? [times(step, more)] : []
  })
  const added = [...own.keys()].filter((step) => !usual.has(step))
  const missing = [...usual.keys()].filter((step) => !own.has(step))
  const end = missing.length > 0 ? endOf(variant.sequence, happy.sequence) : null
  const parts = [
    again.length > 0 ? list(again) : '',
    added.length > 0 ? `with ${list(added)}` : '',
    end !== null ? `ends after ${end}` : missing.length > 0 ? `without ${list(missing)}` : '',
  ].filter((part) => part !== '')
  const text = parts.length > 0 ? parts.join(', ') : 'Other order'
  return text.charAt(0).toUpperCase() + text.slice(1)
}

// SPDX-License-Identifier: Apache-2.0
// How the difference of a step reads, and which steps explain that one trace took longer than the other.
import { duration, exact, plural } from '../base/format'
import type { DiffStep } from './types'

export type Tone = 'new' | 'gone' | 'failing' | 'slower' | 'faster' | 'same'

export interface Word {
  mark: string
  text: string
  tone: Tone
}

/** +120 ms, −3.4 ms. */
export function signed(ns: number): string {
  return `${ns < 0 ? '−' : '+'}${duration(Math.abs(ns))}`
}

function relative(before: number, after: number): string {
  if (before <= 0) return ''
  const percent = (100 * Math.abs(after - before)) / before
  if (percent >= 1000) return ` (${Number((after / before).toPrecision(2))} times)`
  return ` (${Number(percent.toPrecision(2))} %)`
}

export function wordOf({ change, what, a, b }: DiffStep): Word {
  if (!b) return { mark: '−', text: 'gone', tone: 'gone' }
  if (!a) return { mark: '+', text: 'new', tone: 'new' }
  if (change === 'same') return { mark: '', text: '', tone: 'same' }
  const parts: string[] = []
  if (b.errors > a.errors) parts.push(`+${plural(b.errors - a.errors, 'error')}`)
  else if (b.errors < a.errors) parts.push(`−${plural(a.errors - b.errors, 'error')}`)
  if (what.includes('spans')) parts.push(`${exact(a.spans)} → ${plural(b.spans, 'span')}`)
  if (what.includes('duration'))
    parts.push(`${signed(b.duration_ns - a.duration_ns)}${relative(a.duration_ns, b.duration_ns)}`)
  const tone: Tone =
    b.errors > a.errors
      ? 'failing'
      : b.duration_ns > a.duration_ns && what.includes('duration')
        ? 'slower'
        : 'faster'
  return { mark: tone === 'faster' ? '▼' : '▲', text: parts.join(', '), tone }
}

export interface Cause {
  index: number
  step: DiffStep
  /** Of its own time, without what it waited for. */
  ns: number
}

/** Where the time went: steps by how much longer or shorter they themselves took. */
export function causesOf(steps: DiffStep[], most: number): Cause[] {
  return steps
    .map((step, index) => ({
      index,
      step,
      ns: (step.b?.self_time_ns ?? 0) - (step.a?.self_time_ns ?? 0),
    }))
    .filter((cause) => cause.ns !== 0)
    .sort((x, y) => Math.abs(y.ns) - Math.abs(x.ns))
    .slice(0, most)
}

/** Those that differ, and what is above them. */
export function changedOnly(steps: DiffStep[]): Set<number> {
  const kept = new Set<number>()
  for (const [index, step] of steps.entries()) {
    if (step.change === 'same') continue
    for (let at: number | null = index; at !== null && !kept.has(at); at = steps[at]?.parent ?? null)
      kept.add(at)
  }
  return kept
}

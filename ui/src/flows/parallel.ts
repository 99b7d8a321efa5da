// SPDX-License-Identifier: Apache-2.0
// Steps that come in any order: where one run goes from A to B and the next from B to A, neither follows the other.
// They are drawn side by side, each between what comes before and what comes behind them.
import type { Flow, FlowFollow, FlowStep } from './types'

export interface Arc {
  from: string
  to: string
  count: number
  wait: number | null
}

export interface Group {
  steps: string[]
  /** They overlap in time, not only change places. */
  overlap: boolean
}

/** The rarer order is at least this part of the commoner one. */
const EITHER_WAY = 0.1
/** More occurrences than runs by this factor: going back and forth is rework, not any order. */
const ONCE = 1.05

function runsOf(follow: FlowFollow): number {
  return follow.runs ?? follow.count
}

function once(step: FlowStep | undefined): boolean {
  return step !== undefined && step.count <= (step.runs ?? step.count) * ONCE
}

/** Steps joined pair by pair; each step is in at most one group. */
export function groupsOf(flow: Flow): Group[] {
  const steps = new Map(flow.steps.map((step) => [step.name, step]))
  const there = new Map(flow.follows.map((follow) => [`${follow.from}\n${follow.to}`, follow]))
  const groupOf = new Map<string, Group>()
  for (const follow of flow.follows) {
    const back = there.get(`${follow.to}\n${follow.from}`)
    if (!back || follow.from >= follow.to) continue
    const [few, many] = [runsOf(follow), runsOf(back)].sort((a, b) => a - b) as [number, number]
    if (few < many * EITHER_WAY || !once(steps.get(follow.from)) || !once(steps.get(follow.to))) continue
    const left = groupOf.get(follow.from) ?? { steps: [follow.from], overlap: false }
    const right = groupOf.get(follow.to) ?? { steps: [follow.to], overlap: false }
    const overlap = left.overlap || right.overlap || (follow.parallel ?? false) || (back.parallel ?? false)
    const joined = { steps: [...new Set([...left.steps, ...right.steps])], overlap }
    for (const step of joined.steps) groupOf.set(step, joined)
  }
  return [...new Set(groupOf.values())]
}

interface Sum {
  count: number
  wait: number | null
}

/** What comes into (or leaves) a group through any of its steps, by the other end. */
function across(arcs: Arc[], inside: Set<string>, into: boolean): Map<string, Sum> {
  const sums = new Map<string, Sum>()
  for (const arc of arcs) {
    const [near, far] = into ? [arc.to, arc.from] : [arc.from, arc.to]
    if (!inside.has(near) || inside.has(far)) continue
    const sum = sums.get(far) ?? { count: 0, wait: null }
    sums.set(far, { count: sum.count + arc.count, wait: sum.wait ?? arc.wait })
  }
  return sums
}

/** Instead of the orders in which the group's steps happen to come: each of them between before and behind. */
export function sideBySide(arcs: Arc[], group: Group, runs: (step: string) => number): Arc[] {
  const inside = new Set(group.steps)
  const direct = new Map(arcs.map((arc) => [`${arc.from}\n${arc.to}`, arc]))
  const out = arcs.filter((arc) => arc.from === arc.to || (!inside.has(arc.from) && !inside.has(arc.to)))
  for (const into of [true, false]) {
    for (const [far, sum] of across(arcs, inside, into)) {
      for (const step of group.steps) {
        const [from, to] = into ? [far, step] : [step, far]
        const count = Math.min(sum.count, runs(step))
        // The wait of those that came first only: what was measured, not what the others waited for.
        if (count > 0) out.push({ from, to, count, wait: direct.get(`${from}\n${to}`)?.wait ?? null })
      }
    }
  }
  return out
}

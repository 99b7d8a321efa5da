// SPDX-License-Identifier: Apache-2.0
// What happened, as marks on the time line: versions deployed, what came and went, errors that began.
import type { HistoryElements, HistoryPoint } from '../api/types'
import { plural, share } from '../base/format'
import { ms } from '../base/time'

export interface Mark {
  at: number
  kind: 'deploy' | 'new' | 'gone' | 'errors'
  /** In a few words, for the picture. */
  text: string
  /** In full. */
  title: string
}

/** A step fails more than usual from this share on, and this many times the usual. */
const ERRORS_FROM = 0.02
const ERRORS_TIMES = 4
/** Fewer in a step are nobody's news. */
const ERRORS_LEAST = 3
const NAMED = 6

export function edgeText(edge: { source_name: string; relation: string; target_name: string }): string {
  return `${edge.source_name} ${edge.relation} ${edge.target_name}`
}

function count(elements: HistoryElements | undefined, sign: string): string[] {
  const edges = elements?.edges.length ?? 0
  const nodes = elements?.nodes.length ?? 0
  if (edges > 0) return [`${sign}${plural(edges, 'edge')}`]
  return nodes > 0 ? [`${sign}${plural(nodes, 'node')}`] : []
}

function names(elements: HistoryElements | undefined, verb: string): string[] {
  const all = [
    ...(elements?.edges ?? []).map(edgeText),
    ...(elements?.nodes ?? []).map((node) => `${node.type} ${node.name}`),
  ]
  if (all.length === 0) return []
  const rest = all.length > NAMED ? ` and ${all.length - NAMED} more` : ''
  return [`${verb}: ${all.slice(0, NAMED).join(', ')}${rest}`]
}

function topology(point: HistoryPoint): Mark[] {
  const parts = [...count(point.appeared, '+'), ...count(point.vanished, '−')]
  if (parts.length === 0) return []
  const title = [...names(point.appeared, 'New'), ...names(point.vanished, 'Gone')].join('. ')
  const came = (point.appeared?.edges.length ?? 0) + (point.appeared?.nodes.length ?? 0) > 0
  return [{ at: ms(point.time), kind: came ? 'new' : 'gone', text: parts.join(' '), title }]
}

function deploys(point: HistoryPoint): Mark[] {
  const list = point.deploys ?? []
  const first = list[0]
  if (!first) return []
  const text = `${first.name} ${/^\d/.test(first.version) ? 'v' : ''}${first.version}`
  const more = list.length > 1 ? ` +${list.length - 1}` : ''
  const title = `Deployed: ${list.map((deploy) => `${deploy.name} ${deploy.version}`).join(', ')}`
  return [{ at: ms(point.time), kind: 'deploy', text: text + more, title }]
}

function errorsBegin(points: HistoryPoint[]): Mark[] {
  const shares = points.map((point) => (point.requests > 0 ? point.errors / point.requests : 0))
  const usual = [...shares].sort((a, b) => a - b)[Math.floor(shares.length / 2)] ?? 0
  const bad = (value: number | undefined) =>
    value !== undefined && value >= Math.max(ERRORS_FROM, usual * ERRORS_TIMES)
  return points.flatMap((point, index) => {
    if (point.errors < ERRORS_LEAST || !bad(shares[index]) || bad(shares[index - 1])) return []
    const text = `${share(point.errors, point.requests)} errors`
    return [
      { at: ms(point.time), kind: 'errors' as const, text, title: `${text}, usually ${share(usual, 1)}` },
    ]
  })
}

/** In the order of time. The very first step knows no before, so nothing is new in it. */
export function marksOf(points: HistoryPoint[], oldest: number): Mark[] {
  const told = points.filter((point) => ms(point.time) > oldest)
  return [...told.flatMap(topology), ...told.flatMap(deploys), ...errorsBegin(points)].sort(
    (a, b) => a.at - b.at,
  )
}

// SPDX-License-Identifier: Apache-2.0
// Self time and critical path, as the server derives them: back from the root's end into the child that ends
// last before the moment.
import { stamp } from './traces.mjs'

export function analyse(spans, startMs) {
  const at = new Map(spans.map((span, index) => [span.span_id, index]))
  const from = spans.map((span) => {
    const [whole, rest = '0'] = span.start.replace('Z', '').split('.')
    return (Date.parse(`${whole}Z`) - startMs) * 1e6 + Number(rest.padEnd(9, '0'))
  })
  const end = spans.map((span, index) => from[index] + span.duration_ns)
  const children = spans.map(() => [])
  const roots = []
  for (const [index, span] of spans.entries()) {
    const parent = at.get(span.parent_span_id)
    if (parent === undefined) roots.push(index)
    else children[parent].push(index)
  }
  const segments = spans.map(() => [])
  const work = roots.map((root) => [root, end[root]])
  while (work.length > 0) {
    const [index, until] = work.pop()
    let moment = Math.min(until, end[index])
    const order = [...children[index]].sort((a, b) => end[b] - end[a])
    for (const child of order) {
      if (end[child] > moment || from[child] < from[index]) continue
      if (moment > end[child]) segments[index].unshift([end[child], moment])
      work.push([child, end[child]])
      moment = from[child]
    }
    if (moment > from[index]) segments[index].unshift([from[index], moment])
  }
  for (const [index, span] of spans.entries()) {
    let covered = 0
    let last = from[index]
    for (const child of [...children[index]].sort((a, b) => from[a] - from[b])) {
      const begin = Math.max(last, from[child])
      const stop = Math.min(end[index], end[child])
      if (stop > begin) {
        covered += stop - begin
        last = stop
      }
    }
    span.self_time_ns = span.duration_ns - covered
    span.critical = segments[index].map(([a, b]) => ({ start: stamp(startMs, a), duration_ns: b - a }))
    span.critical_ns = segments[index].reduce((sum, [a, b]) => sum + b - a, 0)
  }
  return { length: Math.max(...end) }
}

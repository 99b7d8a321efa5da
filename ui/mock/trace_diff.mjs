// SPDX-License-Identifier: Apache-2.0
// Two traces compared: spans of the same service and name below the same step are one step.
function ns(text) {
  const [whole, rest = '0'] = text.replace('Z', '').split('.')
  return BigInt(Date.parse(`${whole}Z`)) * 1_000_000n + BigInt(rest.padEnd(9, '0'))
}

function sideOf({ trace_id, start, duration_ns, errors, spans }) {
  return { trace_id, start, duration_ns, spans: spans.length, errors, truncated: null }
}

/** Path of names → sums of one trace, in its order. */
function stepsOf({ spans, start }) {
  const begin = ns(start)
  const steps = new Map()
  const above = []
  for (const span of spans) {
    above.length = span.depth
    const key = `${above.at(-1) ?? ''}\n${span.service}\t${span.name}`
    above.push(key)
    const step = steps.get(key) ?? {
      span,
      sums: {
        spans: 0,
        errors: 0,
        offset_ns: Number(ns(span.start) - begin),
        duration_ns: 0,
        self_time_ns: 0,
        critical_ns: 0,
      },
    }
    step.sums.spans++
    step.sums.errors += span.status.code === 'error' ? 1 : 0
    for (const sum of ['duration_ns', 'self_time_ns', 'critical_ns']) step.sums[sum] += span[sum]
    steps.set(key, step)
  }
  return steps
}

function whatOf(a, b) {
  const [before, after] = [a.duration_ns / a.spans, b.duration_ns / b.spans]
  const by = Math.abs(after - before)
  return [
    ...(a.spans === b.spans ? [] : ['spans']),
    ...(a.errors === b.errors ? [] : ['errors']),
    ...(by >= 1e6 && by >= Math.min(before, after) / 4 ? ['duration'] : []),
  ]
}

export function traceDiff(left, right) {
  const [a, b] = [stepsOf(left), stepsOf(right)]
  const keys = [...a.keys()]
  // What only the other has stands behind the last of its siblings.
  for (const key of b.keys()) {
    if (a.has(key)) continue
    const parent = key.slice(0, key.lastIndexOf('\n'))
    const at = keys.findLastIndex((other) => other === parent || other.startsWith(`${parent}\n`))
    keys.splice(at + 1, 0, key)
  }
  const steps = keys.map((key) => {
    const { span } = a.get(key) ?? b.get(key)
    const [x, y] = [a.get(key)?.sums ?? null, b.get(key)?.sums ?? null]
    const what = x && y ? whatOf(x, y) : []
    const parent = keys.indexOf(key.slice(0, key.lastIndexOf('\n')))
    return {
      parent: parent < 0 ? null : parent,
      depth: span.depth,
      service: span.service,
      name: span.name,
      kind: span.kind,
      change: !x ? 'added' : !y ? 'removed' : what.length > 0 ? 'changed' : 'same',
      what,
      a: x,
      b: y,
    }
  })
  const count = (change) => steps.filter((step) => step.change === change).length
  return {
    a: sideOf(left),
    b: sideOf(right),
    same: count('same'),
    changed: count('changed'),
    added: count('added'),
    removed: count('removed'),
    steps,
  }
}

// SPDX-License-Identifier: Apache-2.0
// Whose messages go to whom through a queue, and how old they are when they are taken.
import type { Hop, MapNode } from '../api/types'
import { duration, exact, exactDuration, rate } from '../base/format'
import { hrefWith } from '../base/route'
import { Row, Section } from '../frame/panel'

const MOST_ROWS = 8

function End({ id, nodes }: { id: string; nodes: Map<string, MapNode> }) {
  return <a href={hrefWith({ node: id, edge: null })}>{nodes.get(id)?.name ?? id}</a>
}

export function Hops({
  hops,
  nodes,
  minutes,
}: {
  hops: Hop[]
  nodes: Map<string, MapNode>
  minutes: number
}) {
  if (hops.length === 0) return null
  const sorted = [...hops].sort((a, b) => b.count - a.count)
  return (
    <Section title="Messages" note="rate · age p50 · p99">
      {sorted.slice(0, MOST_ROWS).map((hop) => (
        <Row
          key={`${hop.producer} ${hop.queue} ${hop.consumer}`}
          left={
            <>
              <End id={hop.producer} nodes={nodes} /> → <End id={hop.consumer} nodes={nodes} />
            </>
          }
          right={
            <>
              {rate(hop.count / minutes)}
              {hop.age && (
                <span
                  class="muted"
                  title={`${exactDuration(hop.age.p50_ns)}, ${exactDuration(hop.age.p99_ns)}`}
                >
                  {` · ${duration(hop.age.p50_ns)} · ${duration(hop.age.p99_ns)}`}
                </span>
              )}
            </>
          }
          title={`${exact(hop.count)} messages`}
          wraps
        />
      ))}
      {sorted.length > MOST_ROWS && <p class="muted">{sorted.length - MOST_ROWS} more ways</p>}
    </Section>
  )
}

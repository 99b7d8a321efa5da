// SPDX-License-Identifier: Apache-2.0
// What the server says about itself: what is kept, what comes in, what was dropped and why.
import type { ComponentChildren } from 'preact'
import { bytes, durationOf, exact, plural, short } from '../base/format'
import { hrefTo } from '../base/route'
import { ms, whenSeconds } from '../base/time'
import { Notice } from '../frame/notice'
import { status } from '../frame/state'

function Group({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="status-group">
      <h2>{title}</h2>
      <dl>{children}</dl>
    </section>
  )
}

function Line({
  name,
  title,
  bad,
  children,
}: {
  name: string
  title?: string
  bad?: boolean
  children: ComponentChildren
}) {
  return (
    <div title={title}>
      <dt>{name}</dt>
      <dd class={bad ? 'bad' : undefined}>{children}</dd>
    </div>
  )
}

function Size({ name, of }: { name: string; of: number | undefined }) {
  if (of === undefined) return null
  return (
    <Line name={name} title={`${exact(of)} B`}>
      {bytes(of)}
    </Line>
  )
}

function Count({ name, of, bad }: { name: string; of: number | undefined; bad?: boolean }) {
  if (of === undefined) return null
  return (
    <Line name={name} title={exact(of)} {...(bad && of > 0 ? { bad } : {})}>
      {short(of)}
    </Line>
  )
}

function Time({ name, at }: { name: string; at: string | null | undefined }) {
  if (at === null || at === undefined) return null
  return (
    <Line name={name} title={at}>
      {whenSeconds(ms(at))}
    </Line>
  )
}

const NAMES: Record<string, string> = { otlp_grpc: 'OTLP/gRPC', otlp_http: 'OTLP/HTTP', zipkin: 'Zipkin' }

export function StatusPage() {
  const now = status.value
  if (!now) {
    return (
      <div class="page">
        <main class="column">
          <Notice title="Waiting for the server" />
        </main>
      </div>
    )
  }
  const up = durationOf(now.uptime_ns)
  const drops = now.drops ?? []
  return (
    <div class="page">
      <main class="column status-page">
        <p>
          <a href={hrefTo(['settings'])}>Settings</a>{' '}
          <span class="muted" aria-hidden="true">
            ›
          </span>
        </p>
        <h1>Status</h1>
        <p class="muted">
          Weft {now.version}, up for {up.value} {up.unit}
        </p>
        <div class="status-groups">
          <Group title="Spans">
            <Count name="Stored" of={now.spans.stored} />
            <Count name="Received" of={now.spans.received} />
            {now.spans.rate_per_s !== undefined && (
              <Line name="Coming in">{short(now.spans.rate_per_s)}/s</Line>
            )}
            <Count name="Rejected" of={now.spans.rejected} bad />
            <Time name="Oldest" at={now.spans.oldest} />
            <Time name="Newest" at={now.spans.newest} />
          </Group>
          <Group title="Map">
            <Count name="Nodes" of={now.map?.nodes} />
            <Count name="Edges" of={now.map?.edges} />
            <Count name="Open traces" of={now.map?.open_traces} />
            <Time name="Complete to" at={now.map?.complete_to} />
          </Group>
          <Group title="Room">
            <Size name="Stored" of={now.bytes?.stored} />
            <Size name="Blocks" of={now.bytes?.blocks} />
            <Size name="Map tables" of={now.bytes?.tables} />
            <Size name="Log" of={now.bytes?.log} />
            <Size name="Head" of={now.bytes?.head} />
            <Size name="Memory" of={now.memory_bytes} />
            {now.disk && (
              <Line
                name="Disk free"
                title={`${exact(now.disk.free_bytes)} B`}
                bad={now.disk.free_bytes < now.disk.total_bytes * 0.05}
              >
                {bytes(now.disk.free_bytes)} of {bytes(now.disk.total_bytes)}
              </Line>
            )}
          </Group>
          <Group title="Listening">
            {Object.entries(now.endpoints ?? {}).map(([name, port]) => (
              <Line key={name} name={NAMES[name] ?? name}>
                <code>
                  {location.hostname}:{port}
                </code>
              </Line>
            ))}
          </Group>
          <Group title="Dropped">
            {drops.every((drop) => drop.count === 0) && <Line name="Nothing">0</Line>}
            {drops
              .filter((drop) => drop.count > 0)
              .map((drop) => (
                <Line key={drop.reason} name={drop.reason} title={exact(drop.count)} bad>
                  {plural(drop.count, 'span')}
                </Line>
              ))}
          </Group>
          {now.queues && now.queues.length > 0 && (
            <Group title="Queues">
              {now.queues.map((queue) => (
                <Line key={queue.name} name={queue.name}>
                  {exact(queue.depth)} of {exact(queue.max)}
                </Line>
              ))}
            </Group>
          )}
        </div>
      </main>
    </div>
  )
}

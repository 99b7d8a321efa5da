// SPDX-License-Identifier: Apache-2.0
// Before the first span: what is missing, the one line to copy, and what happens then.
import type { ComponentChildren } from 'preact'
import { exact } from '../base/format'
import { hrefTo } from '../base/route'
import { lengthText } from '../base/time'
import { Dock } from '../dock/dock'
import { CopyButton } from './notice'
import { greeted, status } from './state'

function host(): string {
  return /^(127\.|\[::1\]$|$)/.test(location.hostname) ? 'localhost' : location.hostname
}

function Listening() {
  const now = status.value
  const first = greeted.value
  if (first) {
    return (
      <p class="listening" role="status">
        <span class="live-dot" aria-hidden="true" />
        <strong>{first.name}</strong> sent its first span
        {first.span === '' ? (
          ''
        ) : (
          <>
            , <code>{first.span}</code>
          </>
        )}
        . <span class="muted">The map draws itself as soon as the trace is quiet.</span>
      </p>
    )
  }
  if (!now) return null
  const refused = (now.spans.rejected ?? 0) + (now.drops ?? []).reduce((sum, drop) => sum + drop.count, 0)
  const others = (now.requests?.metrics ?? 0) + (now.requests?.logs ?? 0)
  return (
    <p class="listening" role="status">
      <span class="live-dot ring" aria-hidden="true" />
      Listening for {lengthText(now.uptime_ns / 1e6)}.{' '}
      <span class="muted">
        {refused === 0 && others === 0 && 'Nothing has arrived, nothing was refused.'}
        {refused > 0 && (
          <>
            {exact(refused)} spans were refused: <a href={hrefTo(['status'])}>see why</a>.
          </>
        )}
        {refused === 0 && others > 0 && 'Metrics or logs have arrived, but no spans yet.'}
      </span>
    </p>
  )
}

function Way({ name, value, note }: { name: string; value: string; note: string }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>
        <code>{value}</code>
      </td>
      <td class="muted">{note}</td>
    </tr>
  )
}

function Then({ number, what, when }: { number: number; what: string; when: ComponentChildren }) {
  return (
    <li class={greeted.value && number === 1 ? 'done' : undefined}>
      <span class="muted">{number}</span>
      <span>
        <strong>{what}</strong> <span class="muted">{when}</span>
      </span>
    </li>
  )
}

export function Empty() {
  const endpoints = status.value?.endpoints ?? {}
  const port = endpoints.otlp_http ?? endpoints.otlp_grpc ?? 4318
  const address = `http://${host()}:${port}`
  return (
    <div class="page">
      <main class="column">
        <div class="empty-page">
          <div class="empty">
            <h1>No spans yet</h1>
            <p class="muted">
              Weft draws the map from OpenTelemetry spans. Set this line where your program starts, then start
              it.
            </p>
            <div class="copy-line">
              <code>
                <span class="muted">export</span> OTEL_EXPORTER_OTLP_ENDPOINT=
                <span class="accent">{address}</span>
              </code>
              <CopyButton big text={`export OTEL_EXPORTER_OTLP_ENDPOINT=${address}`} label="Copy the line" />
            </div>
            <Listening />
            <h2>What happens then</h2>
            <ol>
              <Then
                number={1}
                what="The first span is named here"
                when="within a second, with the service that sent it."
              />
              <Then number={2} what="The trace opens under Traces" when="as soon as its spans are on disk." />
              <Then
                number={3}
                what="The map draws itself"
                when="when the trace has been quiet for 5 s. Each arrow tells why it is there."
              />
            </ol>
            <h2>Other ways in</h2>
            <table>
              <tbody>
                {endpoints.otlp_grpc !== undefined && (
                  <Way
                    name="OTLP/gRPC"
                    value={`http://${host()}:${endpoints.otlp_grpc}`}
                    note="for SDKs that speak gRPC"
                  />
                )}
                {endpoints.zipkin !== undefined && (
                  <Way
                    name="Zipkin"
                    value={`http://${host()}:${endpoints.zipkin}`}
                    note="v2 JSON, same paths as Zipkin"
                  />
                )}
                {endpoints.otlp_grpc !== undefined && (
                  <Way
                    name="Collector"
                    value="exporters: otlp"
                    note={`endpoint ${host()}:${endpoints.otlp_grpc}`}
                  />
                )}
              </tbody>
            </table>
            <p class="muted">
              Only looking? <code>weft demo</code> shows a shop of twelve services with 24 h of history.
            </p>
          </div>
        </div>
        <Dock answer={null} />
      </main>
    </div>
  )
}

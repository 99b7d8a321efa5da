// SPDX-License-Identifier: Apache-2.0
// Alerts that fire or are about to, as a short list; nothing when there are none.
import { address } from '../api/client'
import type { Alert, List } from '../api/types'
import { useAnswer } from '../api/use'
import { hrefTo } from '../base/route'

const AGAIN_MS = 30_000

/** Where the page shows what the alert is about. */
function hrefOf({ flow, edge, node_id: node }: Record<string, string>): string {
  if (flow !== undefined) return hrefTo(['flows', flow])
  if (edge !== undefined) return hrefTo(['map'], { edge })
  return hrefTo(['map'], { node: node ?? null })
}

function Row({ alert }: { alert: Alert }) {
  return (
    <li class="finding">
      <span class="finding-subject">
        <a href={hrefOf(alert.labels)}>
          <strong>{alert.labels.alertname}</strong>
        </a>
      </span>
      <span class="finding-count muted">{alert.silenced_by === null ? alert.state : 'silenced'}</span>
      <span class="finding-change">{alert.annotations.summary}</span>
    </li>
  )
}

export function Alerts() {
  const items = useAnswer<List<Alert>>(address('alerts', {}), AGAIN_MS).data.value?.items ?? []
  if (items.length === 0) return null
  return (
    <section class="finding-group" aria-label="Alerts">
      <h2>Alerts</h2>
      <ol>
        {items.map((alert) => (
          <Row key={alert.fingerprint} alert={alert} />
        ))}
      </ol>
    </section>
  )
}

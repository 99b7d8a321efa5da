// SPDX-License-Identifier: Apache-2.0
// Alerts that fire or are about to.
import { useSignal } from '@preact/signals'
import { hrefTo } from '../base/route'
import { ms, when } from '../base/time'
import { SilenceForm } from './silences'
import type { Alert } from './types'

/** Where the page shows what the alert is about. */
function hrefOf({ flow, edge, node_id: node }: Record<string, string>): string {
  if (flow !== undefined) return hrefTo(['flows', flow])
  if (edge !== undefined) return hrefTo(['map'], { edge })
  return hrefTo(['map'], { node: node ?? null })
}

function Row({ alert, onChange }: { alert: Alert; onChange: () => void }) {
  const silencing = useSignal(false)
  const silenced = alert.silenced_by !== null
  return (
    <li class="finding alert-item">
      <span class="finding-subject">
        <a href={hrefOf(alert.labels)}>
          <strong>{alert.labels.alertname}</strong>
        </a>
      </span>
      <span class={!silenced && alert.state === 'firing' ? 'bad' : 'muted'}>
        {silenced ? 'silenced' : alert.state} <span class="muted">since {when(ms(alert.active_since))}</span>
      </span>
      <span class="finding-change">{alert.annotations.summary}</span>
      <span class="finding-trace">
        {!silenced && !silencing.value && (
          <button class="link" onClick={() => (silencing.value = true)}>
            Silence
          </button>
        )}
      </span>
      {silencing.value && (
        <SilenceForm
          alert={alert}
          onDone={() => {
            silencing.value = false
            onChange()
          }}
        />
      )}
    </li>
  )
}

export function Active({ alerts, onChange }: { alerts: Alert[]; onChange: () => void }) {
  return (
    <ol>
      {alerts.map((alert) => (
        <Row key={alert.fingerprint} alert={alert} onChange={onChange} />
      ))}
    </ol>
  )
}

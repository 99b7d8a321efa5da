// SPDX-License-Identifier: Apache-2.0
// Alerts: what fires, the rules, who is told, what is held back.
import { useSignal } from '@preact/signals'
import { address, ApiError } from '../api/client'
import type { List } from '../api/types'
import { useAnswer } from '../api/use'
import { hrefWith } from '../base/route'
import { Problem } from '../frame/notice'
import { Active } from './active'
import { Receivers } from './receivers'
import { RuleList } from './rule_list'
import { rules } from './rules'
import { Silences } from './silences'
import type { Alert, Silence } from './types'

const AGAIN_MS = 10_000

export function AlertsView() {
  const saves = useSignal(0)
  // What was saved, and which time it was asked: either asks anew.
  const after = `${rules.value?.version ?? 0}.${saves.value}`
  const alerts = useAnswer<List<Alert>>(address('alerts'), AGAIN_MS, after)
  const silences = useAnswer<List<Silence>>(address('alerts/silences'), AGAIN_MS, after)
  const changed = () => {
    saves.value++
  }
  const items = alerts.data.value?.items ?? []
  const error = alerts.error.value
  if (error instanceof ApiError) return <Problem error={error} />
  return (
    <>
      <section class="finding-group" aria-label="Alerts">
        <h2>{items.length === 0 ? 'Nothing fires' : 'Alerts'}</h2>
        <Active alerts={items} onChange={changed} />
      </section>
      <RuleList alerts={items} />
      <Silences items={silences.data.value?.items ?? []} onChange={changed} />
      {rules.value && <Receivers names={rules.value.receivers} />}
    </>
  )
}

/** Those that fire, above contract health. Nothing when there are none. */
export function FiringAlerts() {
  const saves = useSignal(0)
  const items =
    useAnswer<List<Alert>>(address('alerts'), AGAIN_MS * 3, String(saves.value)).data.value?.items ?? []
  if (items.length === 0) return null
  return (
    <section class="finding-group" aria-label="Alerts">
      <div class="section-head">
        <h2>Alerts</h2>
        <a href={hrefWith({ view: 'alerts' })}>Rules and silences</a>
      </div>
      <Active
        alerts={items}
        onChange={() => {
          saves.value++
        }}
      />
    </section>
  )
}

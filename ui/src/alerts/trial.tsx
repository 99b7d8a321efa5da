// SPDX-License-Identifier: Apache-2.0
// The rule that is being written, on the past: when it would have fired.
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { address, problemOf, send } from '../api/client'
import { plural } from '../base/format'
import { lengthText, ms, when } from '../base/time'
import type { AlertRule, Trial, TrialAlert } from './types'

const SHOWN = 20

function summaryOf(trial: Trial): string {
  const often =
    trial.total === 0 ? 'It would not have fired' : `It would have fired ${plural(trial.total, 'time')}`
  const from = `from ${when(ms(trial.from))} to ${when(ms(trial.to))}`
  const step = `looked at every ${lengthText(trial.step_ns / 1e6)}`
  return `${often} ${from}, ${step}.${trial.truncated ? ' The time did not suffice for more.' : ''}`
}

function Fired({ alert }: { alert: TrialAlert }) {
  const end = alert.resolved === null ? 'fires still' : `until ${when(ms(alert.resolved))}`
  return (
    <li>
      {when(ms(alert.firing_since))} <span class="muted">{end}</span> {alert.annotations.summary}
    </li>
  )
}

export function TrialOf({ rule, sound }: { rule: AlertRule; sound: boolean }) {
  const trial = useSignal<Trial | null>(null)
  const wrong = useSignal('')
  const busy = useSignal(false)
  const text = JSON.stringify(rule)
  const turn = useRef(0)
  // What was told, or is on its way, is of the rule as it stood then.
  useEffect(() => {
    turn.current++
    trial.value = null
    wrong.value = ''
    busy.value = false
  }, [text])
  const tryIt = async () => {
    const own = ++turn.current
    busy.value = true
    wrong.value = ''
    let told: Trial | null = null
    let problem = ''
    try {
      const url = address('alerts/rules/preview', { from: '-24h', to: 'now' })
      told = await send<Trial>('POST', url, { rule: { ...rule, name: rule.name || 'trial' } })
    } catch (error) {
      problem = problemOf(error).message
    }
    if (own !== turn.current) return
    trial.value = told
    wrong.value = problem
    busy.value = false
  }
  return (
    <div class="rule-trial" aria-live="polite">
      <button type="button" class="control" disabled={busy.value || !sound} onClick={() => void tryIt()}>
        {busy.value ? 'Trying…' : 'Try on the last 24 h'}
      </button>
      {wrong.value !== '' && <p class="form-error">{wrong.value}</p>}
      {trial.value && (
        <>
          <p class="muted">{summaryOf(trial.value)}</p>
          <ol>
            {trial.value.items.slice(-SHOWN).map((alert, at) => (
              <Fired key={at} alert={alert} />
            ))}
          </ol>
        </>
      )}
    </div>
  )
}

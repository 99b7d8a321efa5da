// SPDX-License-Identifier: Apache-2.0
// The rules, and the one that is being written.
import { useEffect } from 'preact/hooks'
import { PlusIcon } from '../frame/icons'
import { Problem } from '../frame/notice'
import { closeRule, draft, loadRules, openRule, problem, rules } from './rules'
import { RuleForm } from './rule_form'
import type { Alert, AlertRule } from './types'
import { kindOf, matchWords } from './words'

function stateOf(rule: AlertRule, alerts: Alert[]): { text: string; bad: boolean } {
  const own = alerts.filter((alert) => alert.labels.alertname === rule.name)
  const firing = own.filter((alert) => alert.state === 'firing').length
  if (firing > 0) return { text: firing === 1 ? 'fires' : `fires ${firing} times`, bad: true }
  return { text: own.length > 0 ? 'pending' : 'quiet', bad: false }
}

function Item({ rule, alerts }: { rule: AlertRule; alerts: Alert[] }) {
  const { text, bad } = stateOf(rule, alerts)
  const match = matchWords(rule.match)
  const fixed = rule.source === 'configuration'
  return (
    <li class="rule-item">
      <span class="rule-name">
        {fixed ? (
          <strong>{rule.name}</strong>
        ) : (
          <button
            class="link"
            onClick={() => {
              openRule(rule)
            }}
          >
            <strong>{rule.name}</strong>
          </button>
        )}
        {fixed && <span class="muted"> in the configuration</span>}
      </span>
      <span>
        {kindOf(rule)?.text ?? rule.kind}
        {match !== '' && <span class="muted"> · {match}</span>}
      </span>
      <span class={bad ? 'bad' : 'muted'}>{text}</span>
    </li>
  )
}

export function RuleList({ alerts }: { alerts: Alert[] }) {
  useEffect(() => {
    void loadRules()
    return closeRule
  }, [])
  const list = rules.value
  const now = draft.value
  return (
    <section class="finding-group" aria-label="Rules">
      <div class="section-head">
        <h2>Rules</h2>
        {list && !now && (
          <button
            class="control"
            onClick={() => {
              openRule(null)
            }}
          >
            <PlusIcon /> New rule
          </button>
        )}
      </div>
      <p class="muted">
        A rule compares the last minutes of the map and its flows with those before. Rules hold for everybody
        and are evaluated once a minute.
      </p>
      {!list && problem.value && <Problem error={problem.value} />}
      {now && now.of === null && <RuleForm now={now} />}
      {list && list.items.length === 0 && !now && <p class="rules-none muted">There are no rules yet.</p>}
      {list && list.items.length > 0 && (
        <ol>
          {list.items.map((rule) =>
            now && now.of === rule.name ? (
              <li key={rule.name}>
                <RuleForm now={now} />
              </li>
            ) : (
              <Item key={rule.name} rule={rule} alerts={alerts} />
            ),
          )}
        </ol>
      )}
    </section>
  )
}

// SPDX-License-Identifier: Apache-2.0
// Rules, what fires, silences, and a receiver that works beside one that does not.
import { time } from './map.mjs'

const DEFAULTS = { window: '5m', for: '0s', match: {}, labels: {}, annotations: {} }
const CONFIGURED = {
  ...DEFAULTS,
  name: 'orders stopped',
  kind: 'flow_stopped',
  match: { flow: 'checkout[.]place_order' },
  window: '15m',
  baseline: '1h',
  significance: 2,
  labels: { severity: 'page' },
  source: 'configuration',
}
const FIRES = {
  edge_appeared: [
    { source: 'payment', target: 'fraud', relation: 'calls', edge: 'edge9' },
    'payment calls fraud: appeared',
  ],
  edge_changed: [
    { source: 'payment', target: 'stripe', relation: 'calls', change: 'errors', direction: 'up' },
    'payment calls stripe: 3.1 % errors, was 0.6 %',
  ],
}

/** What the rule would have told in the last day. */
function trial(rule) {
  const now = Date.now()
  const [labels, summary] = FIRES[rule.kind] ?? []
  const fired = { labels, annotations: { summary }, a: 0, b: 12, significance: 3.2 }
  const items = labels
    ? [
        { ...fired, firing_since: time(now - 9 * 3600e3), resolved: time(now - 8 * 3600e3) },
        { ...fired, firing_since: time(now - 600e3), resolved: null },
      ]
    : []
  return {
    from: time(now - 86_400e3),
    to: time(now),
    step_ns: 300e9,
    total: items.length,
    truncated: false,
    items,
    cursor: null,
  }
}

export class Alerts {
  version = 1
  saved = []
  silences = []

  rules() {
    const items = [CONFIGURED, ...this.saved.map((rule) => ({ ...rule, source: 'saved' }))]
    return { version: this.version, items, receivers: ['ops', 'pager'], cursor: null }
  }

  active() {
    return this.saved.flatMap((rule) => {
      const [labels, summary] = FIRES[rule.kind] ?? []
      if (!labels || Object.entries(rule.match).some(([key, value]) => !new RegExp(value).test(labels[key])))
        return []
      const silence = this.silences.find((one) => new RegExp(one.match.alertname).test(rule.name))
      return [
        {
          fingerprint: rule.name,
          state: rule.for === '0s' ? 'firing' : 'pending',
          labels: { alertname: rule.name, ...labels, ...rule.labels },
          annotations: { summary, ...rule.annotations },
          a: 0,
          b: 12,
          significance: 3.2,
          active_since: time(Date.now() - 120e3),
          firing_since: time(Date.now() - 120e3),
          silenced_by: silence?.id ?? null,
        },
      ]
    })
  }

  read(path) {
    if (path === 'alerts/rules') return this.rules()
    if (path === 'alerts/silences') return { items: this.silences, cursor: null }
    return { items: this.active(), cursor: null }
  }

  save(path, body, refused) {
    if (path === 'alerts/test')
      return body.receiver === 'ops'
        ? { delivered: true, status: 200, answer: 'ok', duration_ns: 84e6 }
        : { delivered: false, status: 0, answer: 'connection refused', duration_ns: 2e6 }
    if (path === 'alerts/rules/preview') return trial(body.rule)
    if (path === 'alerts/silences') {
      const id = `silence-${this.silences.length + 1}-${this.version}`
      const to = time(Date.now() + 4 * 3600e3)
      this.silences.push({
        id,
        match: body.match,
        from: time(Date.now()),
        to,
        author: '',
        comment: body.comment,
      })
      return { id }
    }
    if (path.startsWith('alerts/silences/')) {
      const id = path.split('/')[2]
      this.silences = this.silences.filter((silence) => silence.id !== id)
      return { id }
    }
    if (body.version !== this.version) throw refused(409, 'somebody saved since this version was read', '')
    for (const [index, { match }] of body.items.entries())
      for (const [label, pattern] of Object.entries(match))
        try {
          new RegExp(pattern)
        } catch {
          const text = `rule ${index + 1}: the pattern of ${label}, at character 3: missing closing parenthesis`
          throw refused(400, text, 'docs/guide/alerts.md says what a rule is')
        }
    this.version++
    const baseline = { baseline: '1d', significance: 0 }
    this.saved = body.items.map((rule) => ({ ...DEFAULTS, ...baseline, ...rule }))
    return this.rules()
  }
}

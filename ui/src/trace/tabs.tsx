// SPDX-License-Identifier: Apache-2.0
// The ways to look at one trace. All share the selection: a span chosen in one is chosen in the others.
import { hrefWith, param } from '../base/route'

export const TABS = {
  '': 'Waterfall',
  flame: 'Flame graph',
  statistics: 'Statistics',
  map: 'Trace map',
  events: 'Events',
} as const

export type Tab = keyof typeof TABS

export function tabShown(): Tab {
  const wanted = param('tab') ?? ''
  return wanted in TABS ? (wanted as Tab) : ''
}

export function Tabs({ tab, events }: { tab: Tab; events: number }) {
  return (
    <nav class="tabs" aria-label="Views of the trace">
      {(Object.keys(TABS) as Tab[]).map((key) => (
        <a key={key} href={hrefWith({ tab: key, at: null })} aria-current={key === tab ? 'page' : undefined}>
          {TABS[key]}
          {key === 'events' && <span class="tab-count">{events}</span>}
        </a>
      ))}
    </nav>
  )
}

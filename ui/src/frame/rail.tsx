// SPDX-License-Identifier: Apache-2.0
import { hrefTo, page } from '../base/route'
import { ChangesIcon, FlowsIcon, HealthIcon, MapIcon, StatusIcon, TracesIcon } from './icons'

const ENTRIES = [
  { page: 'map', text: 'Map', icon: MapIcon, also: [''] },
  { page: 'flows', text: 'Flows', icon: FlowsIcon, also: ['entity', 'run'] },
  { page: 'traces', text: 'Traces', icon: TracesIcon, also: ['trace'] },
  { page: 'changes', text: 'Changes', icon: ChangesIcon, also: [] },
  { page: 'health', text: 'Health', icon: HealthIcon, also: [] },
]

function Entry({
  to,
  text,
  icon: Icon,
  here,
}: {
  to: string
  text: string
  icon: () => preact.JSX.Element
  here: boolean
}) {
  return (
    <a class="rail-entry" href={hrefTo([to])} aria-current={here ? 'page' : undefined}>
      <Icon />
      <span>{text}</span>
    </a>
  )
}

export function Rail() {
  const here = page.value
  return (
    <nav class="rail" aria-label="Pages">
      <a class="rail-mark" href={hrefTo(['map'])} aria-label="Weft, to the map">
        <svg
          width="20"
          height="20"
          viewBox="0 0 20 20"
          fill="none"
          stroke="currentColor"
          stroke-width="2"
          aria-hidden="true"
        >
          <path d="M1.500 4l4 12L10 5l4.500 11 4-12" stroke-linecap="round" stroke-linejoin="round" />
        </svg>
      </a>
      {ENTRIES.map((entry) => (
        <Entry
          key={entry.page}
          to={entry.page}
          text={entry.text}
          icon={entry.icon}
          here={here === entry.page || entry.also.includes(here)}
        />
      ))}
      <div class="rail-gap" />
      <Entry
        to="settings"
        text="Settings"
        icon={StatusIcon}
        here={here === 'settings' || here === 'status'}
      />
    </nav>
  )
}

// SPDX-License-Identifier: Apache-2.0
// What happened, newest first: versions deployed, what came and went, errors that began. The dock's marks to read.
import { useMemo } from 'preact/hooks'
import { hrefTo, hrefWith, param } from '../base/route'
import { clock, day, iso, lengthMs, lengthText, ms } from '../base/time'
import { pinnedPatch, timeWindow } from '../base/window'
import { Dock } from '../dock/dock'
import { marksOf, type Mark } from '../dock/marks'
import { DEFAULT_RANGE, frameOf, useHistory } from '../dock/range'
import { Empty } from '../frame/empty'
import { Notice } from '../frame/notice'
import { status } from '../frame/state'
import { beforeAndAfter } from '../map/last_change'

const KINDS: Record<Mark['kind'], string> = {
  deploy: 'Deployed',
  new: 'New on the map',
  gone: 'Gone from the map',
  errors: 'Errors began',
}
const FILTERS: { value: string; text: string; kinds: Mark['kind'][] }[] = [
  { value: '', text: 'All', kinds: ['deploy', 'new', 'gone', 'errors'] },
  { value: 'map', text: 'Map', kinds: ['new', 'gone'] },
  { value: 'deploys', text: 'Deploys', kinds: ['deploy'] },
  { value: 'errors', text: 'Errors', kinds: ['errors'] },
]
const MOST_WINDOW_MS = 30 * 60e3

function Item({ mark, now }: { mark: Mark; now: number }) {
  const length = Math.min(timeWindow.value.lengthMs, MOST_WINDOW_MS)
  return (
    <li class={`happened ${mark.kind}`}>
      <span class="happened-when" title={iso(mark.at)}>
        {clock(mark.at)}
      </span>
      <span class="happened-mark" aria-hidden="true" />
      <span class="happened-kind">{KINDS[mark.kind]}</span>
      <span class="happened-text">{mark.title.replace(/^(Deployed|New|Gone): /, '')}</span>
      <span class="happened-links">
        <a href={hrefTo(['map'], pinnedPatch(mark.at, Math.min(now, mark.at + length)))}>Map then</a>
        <a href={beforeAndAfter(mark.at, now)}>Before and after</a>
      </span>
    </li>
  )
}

function Filters({ chosen }: { chosen: string }) {
  return (
    <div class="segments" role="group" aria-label="Kinds of changes">
      {FILTERS.map((filter) => (
        <a
          key={filter.value}
          href={hrefWith({ kind: filter.value })}
          aria-current={filter.value === chosen ? 'true' : undefined}
        >
          {filter.text}
        </a>
      ))}
    </div>
  )
}

function List({ marks, now, range }: { marks: Mark[]; now: number; range: string }) {
  if (marks.length === 0) {
    return (
      <Notice title={`No changes in ${range}`}>
        <p>The map kept its shape, no new version came, and errors stayed at their usual share.</p>
        <p class="muted">A longer range is set at the right of the time dock.</p>
      </Notice>
    )
  }
  const days = new Map<string, Mark[]>()
  for (const mark of marks) days.set(day(mark.at), [...(days.get(day(mark.at)) ?? []), mark])
  return (
    <>
      {[...days].map(([name, list]) => (
        <section key={name} class="happened-day">
          <h2>{name}</h2>
          <ol>
            {list.map((mark, index) => (
              <Item key={`${mark.at} ${mark.kind} ${index}`} mark={mark} now={now} />
            ))}
          </ol>
        </section>
      ))}
    </>
  )
}

export function ChangesPage() {
  const now = ms(status.value?.now ?? iso(Date.now()))
  const { points, known } = useHistory(frameOf(now))
  const oldest = ms(status.value?.spans.oldest ?? iso(0))
  const marks = useMemo(
    () => marksOf(points, oldest).reverse(),
    [points.length, points[0], points.at(-1), oldest],
  )
  if (status.value?.spans.stored === 0) return <Empty />
  const kind = param('kind') ?? ''
  const kinds = FILTERS.find((filter) => filter.value === kind)?.kinds ?? []
  const range = lengthText(lengthMs(param('range') ?? DEFAULT_RANGE) ?? 0)
  return (
    <div class="page">
      <main class="column">
        <div class="reading" tabIndex={0} role="region" aria-label="Changes">
          <div class="reading-head">
            <h1>Changes</h1>
            <Filters chosen={kind} />
          </div>
          {known && (
            <List marks={marks.filter((mark) => kinds.includes(mark.kind))} now={now} range={range} />
          )}
        </div>
        <Dock answer={null} />
      </main>
    </div>
  )
}

// SPDX-License-Identifier: Apache-2.0
// What changed last about an edge or a node: that it came or went, or that a version of one of its ends was
// deployed, with the map before and after it.
import type { HistoryEdge, HistoryNode, HistoryPoint } from '../api/types'
import { hrefTo, param } from '../base/route'
import { iso, ms, when } from '../base/time'
import { pinnedPatch } from '../base/window'
import { frameOf, useHistory } from '../dock/range'
import { Row, Section } from '../frame/panel'
import { status } from '../frame/state'
import { vsText } from './compare'

const MOST_WINDOW_MS = 30 * 60e3
const SHOWN = 3

interface Change {
  at: number
  kind: 'new' | 'gone' | 'deploy'
  text: string
}

/** As long after the change as before it. */
export function beforeAndAfter(at: number, now: number, more: Record<string, string | null> = {}): string {
  const length = Math.max(60e3, Math.min(MOST_WINDOW_MS, now - at))
  return hrefTo(['map'], {
    ...pinnedPatch(at, at + length),
    vs: vsText({ from: at - length, to: at }),
    ...more,
  })
}

function nameOf(element: HistoryEdge | HistoryNode): string {
  return 'relation' in element
    ? `${element.source_name} ${element.relation} ${element.target_name}`
    : element.name
}

function changesIn(point: HistoryPoint, about: Set<string>): Change[] {
  const at = ms(point.time)
  const told = (elements: HistoryPoint['appeared'], kind: 'new' | 'gone'): Change[] =>
    [...(elements?.edges ?? []), ...(elements?.nodes ?? [])]
      .filter((element) => about.has(element.id))
      .map((element) => ({ at, kind, text: `${nameOf(element)} ${kind}` }))
  return [
    ...told(point.appeared, 'new'),
    ...told(point.vanished, 'gone'),
    ...(point.deploys ?? [])
      .filter((deploy) => about.has(deploy.service))
      .map((deploy): Change => ({ at, kind: 'deploy', text: `${deploy.name} ${deploy.version} deployed` })),
  ]
}

/** `about`: the ids of the edges and nodes whose changes count. */
export function LastChange({ about }: { about: string[] }) {
  const now = ms(status.value?.now ?? iso(Date.now()))
  const { points, known } = useHistory(frameOf(now))
  const oldest = ms(status.value?.spans.oldest ?? iso(0))
  if (!known) return null
  const ids = new Set(about)
  const changes = points
    // The first step knows no before: everything is new in it.
    .filter((point) => ms(point.time) > oldest)
    .flatMap((point) => changesIn(point, ids))
    .sort((a, b) => b.at - a.at)
    .slice(0, SHOWN)
  const here = { edge: param('edge'), node: param('node') }
  return (
    <Section title="Last change" note={changes.length === 0 ? 'none in the dock’s range' : undefined}>
      {changes.map((change) => (
        <Row
          key={`${change.at} ${change.text}`}
          left={
            <>
              <span class={`change-dot ${change.kind}`} aria-hidden="true" /> {change.text}
            </>
          }
          right={
            <a href={beforeAndAfter(change.at, now, here)} title="The map before and after it">
              {when(change.at)}
            </a>
          }
          title={iso(change.at)}
        />
      ))}
    </Section>
  )
}

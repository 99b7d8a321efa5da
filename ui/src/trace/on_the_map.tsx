// SPDX-License-Identifier: Apache-2.0
// The edges that a span gave, with what went over them around its time.
import { address } from '../api/client'
import type { EdgeAnswer, OnMap } from '../api/types'
import { useAnswer } from '../api/use'
import { exact, rate, share } from '../base/format'
import { hrefTo } from '../base/route'
import { iso } from '../base/time'
import { pinnedPatch } from '../base/window'
import { Section } from '../frame/panel'
import type { OutlineSpan } from './outline'
import { useRested } from './rest'

const BEFORE_MS = 14 * 60e3
const BEHIND_MS = 60e3
const WINDOW_MIN = (BEFORE_MS + BEHIND_MS) / 60e3
/** Of more edges only the names are told. */
const ASKED_MOST = 4

function Traffic({ element, at }: { element: OnMap; at: number }) {
  const url = address(`edges/${encodeURIComponent(element.edge)}`, {
    from: iso(at - BEFORE_MS),
    to: iso(at + BEHIND_MS),
    step: '900s',
  })
  const edge = useAnswer<EdgeAnswer>(useRested() ? url : null).data.value?.edge
  if (!edge || edge.count === 0) return null
  return (
    <span title={`${exact(edge.count)} in ${WINDOW_MIN} min, ${exact(edge.errors)} errors`}>
      {edge.errors > 0 && <span class="bad">{share(edge.errors, edge.count)} err </span>}
      {rate(edge.count / WINDOW_MIN)}
    </span>
  )
}

/** `at`: when the span began, in milliseconds since 1970. */
export function OnTheMap({ span: { map: elements }, at }: { span: OutlineSpan; at: number }) {
  if (elements.length === 0) return null
  return (
    <Section title="On the map" note="around then">
      {elements.map((element, index) => (
        <div class="row" key={element.edge}>
          <span class="row-left">
            <a
              href={hrefTo(['map'], {
                ...pinnedPatch(at - BEFORE_MS, at + BEHIND_MS),
                edge: element.edge,
              })}
            >
              {element.source_name} → {element.target_name}
            </a>{' '}
            <span class="muted">{element.relation}</span>
          </span>
          <span class="row-right">{index < ASKED_MOST && <Traffic element={element} at={at} />}</span>
        </div>
      ))}
    </Section>
  )
}

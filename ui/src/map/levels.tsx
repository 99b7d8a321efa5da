// SPDX-License-Identifier: Apache-2.0
// What stands above the picture at the left: how much is folded, and in a comparison which side is shown.
import { hrefWith, param, set } from '../base/route'
import { Menu } from '../frame/menu'
import type { MapAnswer } from '../api/types'
import { GROUPINGS, groupingsOf, type GroupBy } from './groups'

export function groupedBy(): GroupBy | null {
  const wanted = param('group')
  return GROUPINGS.find((by) => by === wanted) ?? null
}

export function openGroups(): Set<string> {
  return new Set((param('open') ?? '').split(',').filter((name) => name !== ''))
}

export function Levels({ answer }: { answer: MapAnswer }) {
  const by = groupedBy()
  const choices = groupingsOf(answer)
  if (choices.length === 0 && by === null) return null
  const first = by ?? choices[0] ?? 'namespace'
  return (
    <>
      <div class="segments" role="group" aria-label="Level">
        <a
          href={hrefWith({ group: first, at: null, focus: null })}
          aria-current={by !== null ? 'true' : undefined}
        >
          Groups
        </a>
        <a
          href={hrefWith({ group: null, open: null, at: null })}
          aria-current={by === null ? 'true' : undefined}
        >
          Services
        </a>
      </div>
      {by !== null && choices.length > 1 && (
        <Menu
          label={`Grouped by ${by}`}
          shown={`by ${by}`}
          value={by}
          choices={choices.map((value) => ({ value, text: `By ${value}` }))}
          onChoose={(value) => {
            set({ group: value, open: null, at: null })
          }}
        />
      )}
      {by !== null && openGroups().size > 0 && (
        <a class="control" href={hrefWith({ open: null, at: null })}>
          Fold all
        </a>
      )}
    </>
  )
}

export function Sides() {
  const show = param('show')
  return (
    <div class="segments" role="group" aria-label="Shown of the comparison">
      <a href={hrefWith({ show: 'a' })} aria-current={show === 'a' ? 'true' : undefined}>
        A before
      </a>
      <a href={hrefWith({ show: null })} aria-current={show !== 'a' && show !== 'b' ? 'true' : undefined}>
        Difference
      </a>
      <a href={hrefWith({ show: 'b' })} aria-current={show === 'b' ? 'true' : undefined}>
        B after
      </a>
    </div>
  )
}

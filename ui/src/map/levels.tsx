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

/** Operations inside of their services; groups fold these away. */
export function operationsShown(): boolean {
  return param('level') === 'operations' && groupedBy() === null
}

export function Levels({ answer }: { answer: MapAnswer }) {
  const by = groupedBy()
  const operations = operationsShown()
  const choices = groupingsOf(answer)
  const first = by ?? choices[0] ?? 'namespace'
  return (
    <>
      <div class="segments" role="group" aria-label="Level">
        {(choices.length > 0 || by !== null) && (
          <a
            href={hrefWith({ group: first, level: null, at: null, focus: null })}
            aria-current={by !== null ? 'true' : undefined}
          >
            Groups
          </a>
        )}
        <a
          href={hrefWith({ group: null, level: null, open: null, at: null })}
          aria-current={by === null && !operations ? 'true' : undefined}
        >
          Services
        </a>
        <a
          href={hrefWith({ group: null, level: 'operations', open: null, at: null })}
          aria-current={operations ? 'true' : undefined}
        >
          Operations
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

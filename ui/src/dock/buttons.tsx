// SPDX-License-Identifier: Apache-2.0
// The buttons beside the dock's picture.
import { param, set } from '../base/route'
import { lengthMs, lengthText } from '../base/time'
import { NextIcon, PauseIcon, PlayIcon, PreviousIcon } from '../frame/icons'
import { Menu } from '../frame/menu'
import { status } from '../frame/state'
import { comparedWith } from '../map/compare'
import { DEFAULT_RANGE, RANGES } from './range'
import { playing, type Steps } from './steps'

export function Buttons({ steps, changes }: { steps: Steps; changes: number }) {
  const range = param('range') ?? DEFAULT_RANGE
  const choices = RANGES.map((value) => ({ value, text: lengthText(lengthMs(value) ?? 0) }))
  const empty = status.value?.spans.stored === 0
  const comparing = comparedWith() !== null
  return (
    <div class="dock-side">
      <div class="dock-buttons">
        <button
          class="control square"
          aria-label="Previous change"
          title="To the previous change ( [ )"
          disabled={empty || changes === 0}
          onClick={steps.previous}
        >
          <PreviousIcon />
        </button>
        <button
          class="control square"
          aria-label={playing.value ? 'Pause' : 'Play'}
          title={playing.value ? 'Pause (space)' : 'Play the range (space)'}
          disabled={empty}
          onClick={steps.play}
        >
          {playing.value ? <PauseIcon /> : <PlayIcon />}
        </button>
        <button
          class="control square"
          aria-label="Next change"
          title="To the next change ( ] )"
          disabled={empty}
          onClick={steps.next}
        >
          <NextIcon />
        </button>
      </div>
      <div class="dock-range">
        <span class="muted">Range</span>
        <Menu
          label={`Range: ${lengthText(lengthMs(range) ?? 0)}`}
          shown={lengthText(lengthMs(range) ?? 0)}
          value={range}
          choices={choices}
          align="right"
          up
          quiet
          onChoose={(value) => {
            set({ range: value === DEFAULT_RANGE ? null : value })
          }}
        />
      </div>
      <div class="dock-range">
        <button
          class="link small"
          aria-pressed={comparing}
          disabled={empty}
          title={
            comparing
              ? 'Back to one window (c)'
              : 'With as long just before it (c); or shift and drag a second window'
          }
          onClick={steps.compare}
        >
          {comparing ? 'One window' : 'Compare'}
        </button>
        <span aria-hidden="true">
          <kbd>[</kbd> <kbd>]</kbd>
        </span>
      </div>
    </div>
  )
}

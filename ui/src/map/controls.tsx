// SPDX-License-Identifier: Apache-2.0
// What floats on the map's lower edge: the legend in one line, and zoom.
import { useComputed } from '@preact/signals'
import { FitIcon, MinusIcon, PlusIcon } from '../frame/icons'
import type { Viewport } from './viewport'

function Legend() {
  return (
    <div class="legend" aria-hidden="true">
      <span>
        <svg width="22" height="8">
          <path class="line" d="M0 4H22" stroke-width="3" />
        </svg>{' '}
        calls
      </span>
      <span>
        <svg width="22" height="8">
          <path class="line" d="M0 4H22" stroke-width="1.2" />
        </svg>{' '}
        reads, writes
      </span>
      <span>
        <svg width="22" height="8">
          <path class="line queue" d="M0 4H22" />
          <path class="line queue-core" d="M0 4H22" />
        </svg>{' '}
        publishes, consumes
      </span>
      <span>
        <svg width="22" height="8">
          <path class="line" d="M0 4H22" stroke-width="3" />
          <path class="line bad" d="M13 4H22" stroke-width="3" />
        </svg>{' '}
        error share
      </span>
    </div>
  )
}

export function Controls({ viewport }: { viewport: Viewport }) {
  const percent = useComputed(() => `${Math.round(viewport.view.value.zoom * 100)} %`)
  return (
    <div class="map-foot">
      <Legend />
      <div class="zoom" role="group" aria-label="Zoom">
        <button
          class="control square"
          aria-label="Zoom out"
          title="Zoom out (−)"
          onClick={() => {
            viewport.zoomBy(0.8)
          }}
        >
          <MinusIcon />
        </button>
        <output aria-live="off">{percent}</output>
        <button
          class="control square"
          aria-label="Zoom in"
          title="Zoom in (+)"
          onClick={() => {
            viewport.zoomBy(1.25)
          }}
        >
          <PlusIcon />
        </button>
        <button
          class="control square"
          aria-label="Show all"
          title="Show all (0)"
          onClick={() => {
            viewport.fit()
          }}
        >
          <FitIcon />
        </button>
      </div>
    </div>
  )
}

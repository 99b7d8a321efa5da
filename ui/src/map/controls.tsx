// SPDX-License-Identifier: Apache-2.0
// What floats on the map's lower edge: the legend in one line, and zoom.
import { useComputed } from '@preact/signals'
import { FitIcon, MinusIcon, MoveIcon, PlusIcon } from '../frame/icons'
import { Menu } from '../frame/menu'
import { exportPicture } from './export'
import { arranging } from './positions'
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

const CHANGES: [string, string][] = [
  ['new', 'new'],
  ['gone', 'gone'],
  ['slower', 'slower'],
  ['failing', 'failing more'],
  ['busier', 'busier'],
  ['faded', 'unchanged'],
]

function ChangeLegend() {
  return (
    <div class="legend" aria-hidden="true">
      {CHANGES.map(([kind, text]) => (
        <span key={kind}>
          <svg width="22" height="8">
            <g class={kind === 'faded' ? 'line-group faded' : `line-group changed ${kind}`}>
              <path class={kind === 'new' ? 'line queue' : 'line'} d="M0 4H22" stroke-width="3" />
              {kind === 'new' && <path class="line queue-core" d="M0 4H22" />}
            </g>
          </svg>{' '}
          {text}
        </span>
      ))}
    </div>
  )
}

/** Turns dragging from moving the picture to moving boxes. */
function Arrange() {
  const on = arranging.value
  return (
    <button
      class={on ? 'control pressed' : 'control'}
      aria-pressed={on}
      title={on ? 'Drag a box to move it; press to end (m)' : 'Move boxes by dragging (m)'}
      onClick={() => (arranging.value = !on)}
    >
      <MoveIcon /> <span class="wide-only">Arrange</span>
    </button>
  )
}

interface ControlsProps {
  viewport: Viewport
  comparing: boolean
  movable: boolean
}

export function Controls({ viewport, comparing, movable }: ControlsProps) {
  const percent = useComputed(() => `${Math.round(viewport.view.value.zoom * 100)} %`)
  return (
    <div class="map-foot">
      {comparing ? <ChangeLegend /> : <Legend />}
      <div class="zoom" role="group" aria-label="Zoom">
        {movable && <Arrange />}
        <Menu
          label="Save the picture"
          shown="Save"
          value=""
          choices={[
            { value: 'svg', text: 'As SVG' },
            { value: 'png', text: 'As PNG' },
          ]}
          align="right"
          up
          onChoose={(kind) => void exportPicture(kind === 'png' ? 'png' : 'svg', 'weft-map')}
        />
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

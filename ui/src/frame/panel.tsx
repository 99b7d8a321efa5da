// SPDX-License-Identifier: Apache-2.0
// The panel at the right, for what is selected, and the pieces it is made of.
import type { ComponentChildren } from 'preact'
import type { Quantity } from '../base/format'
import { set } from '../base/route'
import { CloseIcon, PinIcon } from './icons'
import { panelPinned } from './pin'

interface PanelProps {
  title: ComponentChildren
  label: string
  sub?: ComponentChildren
  mark?: string
  onClose: () => void
  children: ComponentChildren
}

function Pin() {
  const on = panelPinned()
  return (
    <button
      class={on ? 'plain pinned' : 'plain'}
      aria-label="Keep the panel open"
      aria-pressed={on}
      title={on ? 'Let it close' : 'Keep it open'}
      onClick={() => {
        set({ pin: on ? null : '1' }, true)
      }}
    >
      <PinIcon />
    </button>
  )
}

export function Panel({ title, label, sub, mark, onClose, children }: PanelProps) {
  return (
    <aside class="panel" aria-label={label}>
      <div class="panel-head">
        <div class="panel-title">
          {mark !== undefined && <span class="panel-mark" style={{ background: mark }} />}
          <h2>{title}</h2>
          <Pin />
          <button
            class="plain"
            aria-label="Close"
            title={panelPinned() ? 'Close' : 'Close (Esc)'}
            onClick={() => {
              set({ pin: null }, true)
              onClose()
            }}
          >
            <CloseIcon />
          </button>
        </div>
        {sub !== undefined && <p class="panel-sub">{sub}</p>}
      </div>
      {children}
    </aside>
  )
}

export function Section({
  title,
  note,
  children,
}: {
  title?: string
  note?: ComponentChildren
  children: ComponentChildren
}) {
  return (
    <section class="panel-section">
      {title !== undefined && (
        <div class="panel-section-head">
          <h3>{title}</h3>
          {note !== undefined && <span class="muted">{note}</span>}
        </div>
      )}
      {children}
    </section>
  )
}

export interface Figure {
  label: string
  quantity: Quantity
  exact: string
  bad?: boolean
}

/** The key numbers, side by side. */
export function Figures({ figures, small }: { figures: Figure[]; small?: boolean }) {
  return (
    <dl class={small ? 'figures small' : 'figures'}>
      {figures.map((figure) => (
        <div key={figure.label} title={figure.exact}>
          <dt>{figure.label}</dt>
          <dd class={figure.bad ? 'bad' : undefined}>
            {figure.quantity.value}
            <small> {figure.quantity.unit}</small>
          </dd>
        </div>
      ))}
    </dl>
  )
}

export function Row({
  left,
  right,
  title,
  wraps,
}: {
  left: ComponentChildren
  right: ComponentChildren
  title?: string
  /** Both are told whole, below each other where they have no room beside each other. */
  wraps?: boolean
}) {
  return (
    <div class={wraps === true ? 'row wraps' : 'row'} title={title}>
      <span class="row-left">{left}</span>
      <span class="row-right">{right}</span>
    </div>
  )
}

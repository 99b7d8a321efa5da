// SPDX-License-Identifier: Apache-2.0
// A button that opens a short list to choose from.
import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { CheckIcon, ChevronIcon } from './icons'

export interface Choice {
  value: string
  text: string
  note?: string
}

interface Props {
  label: string
  shown: ComponentChildren
  value: string
  choices: Choice[]
  align?: 'left' | 'right'
  up?: boolean
  quiet?: boolean
  onChoose: (value: string) => void
  children?: ComponentChildren
}

function step(root: HTMLElement | null, by: number): void {
  const items = [...(root?.querySelectorAll<HTMLElement>('[role=menuitemradio]') ?? [])]
  const at = items.findIndex((item) => item === document.activeElement)
  items[(at + by + items.length) % items.length]?.focus()
}

export function Menu({ label, shown, value, choices, align = 'left', up, quiet, onChoose, children }: Props) {
  const open = useSignal(false)
  const root = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLButtonElement>(null)

  useEffect(() => {
    if (!open.value) return
    root.current?.querySelector<HTMLElement>('[aria-checked=true], [role=menuitemradio]')?.focus()
    const outside = (event: Event) => {
      if (!root.current?.contains(event.target as Node)) open.value = false
    }
    document.addEventListener('pointerdown', outside)
    return () => {
      document.removeEventListener('pointerdown', outside)
    }
  }, [open.value])

  const close = () => {
    open.value = false
    button.current?.focus()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (!open.value) return
    if (event.key === 'Escape') close()
    else if (event.key === 'ArrowDown') step(root.current, 1)
    else if (event.key === 'ArrowUp') step(root.current, -1)
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  return (
    <div class="menu" ref={root} onKeyDown={onKeyDown}>
      <button
        ref={button}
        class={quiet ? 'menu-quiet' : 'control'}
        aria-haspopup="menu"
        aria-expanded={open.value}
        aria-label={label}
        onClick={() => (open.value = !open.value)}
      >
        <span class="menu-shown">{shown}</span>
        <ChevronIcon />
      </button>
      {open.value && (
        <div class={`menu-list ${align} ${up ? 'up' : ''}`}>
          <div role="menu" aria-label={label}>
            {choices.map((choice) => (
              <button
                key={choice.value}
                role="menuitemradio"
                aria-checked={choice.value === value}
                class="menu-item"
                onClick={() => {
                  close()
                  onChoose(choice.value)
                }}
              >
                <span class="menu-check">{choice.value === value && <CheckIcon />}</span>
                <span class="menu-text">{choice.text}</span>
                {choice.note !== undefined && <span class="menu-note">{choice.note}</span>}
              </button>
            ))}
          </div>
          {children}
        </div>
      )}
    </div>
  )
}

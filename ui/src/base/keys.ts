// SPDX-License-Identifier: Apache-2.0
// Keys that work anywhere on a page. A key pressed in a field belongs to the field.
import { useEffect } from 'preact/hooks'

export function inField(event: KeyboardEvent): boolean {
  const target = event.target
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  )
}

/** Calls the handler of a key; a handler that returns false has not used it. */
export function useKeys(handlers: Record<string, (event: KeyboardEvent) => unknown>): void {
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
      if (inField(event) && event.key !== 'Escape') return
      const handler = handlers[event.key]
      if (handler && handler(event) !== false) event.preventDefault()
    }
    document.addEventListener('keydown', listen)
    return () => {
      document.removeEventListener('keydown', listen)
    }
  })
}

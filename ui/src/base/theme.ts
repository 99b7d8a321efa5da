// SPDX-License-Identifier: Apache-2.0
// Light, dark, or as the system says. The choice is the one thing that is remembered outside the URL: it is
// the reader's, not the link's.
import { computed, effect, signal } from '@preact/signals'

export type Theme = 'system' | 'light' | 'dark'
const KEY = 'weft.theme'

function remembered(): Theme {
  try {
    const value = localStorage.getItem(KEY)
    return value === 'light' || value === 'dark' ? value : 'system'
  } catch {
    return 'system'
  }
}

export const theme = signal<Theme>(remembered())

const query = matchMedia('(prefers-color-scheme: dark)')
const systemDark = signal(query.matches)
query.addEventListener('change', () => (systemDark.value = query.matches))

export const dark = computed(() => (theme.value === 'system' ? systemDark.value : theme.value === 'dark'))

effect(() => {
  document.documentElement.dataset['theme'] = dark.value ? 'dark' : 'light'
  try {
    if (theme.value === 'system') localStorage.removeItem(KEY)
    else localStorage.setItem(KEY, theme.value)
  } catch {
    // Storage may be forbidden; then the choice lasts as long as the page.
  }
})

/** To the other one; back to the system's when that is the same. */
export function toggleTheme(): void {
  const wanted: Theme = dark.value ? 'light' : 'dark'
  theme.value = systemDark.value === (wanted === 'dark') ? 'system' : wanted
}

/** A token's value, for canvases. Reading it subscribes to the theme. */
export function token(name: string): string {
  const root = document.documentElement
  // Whoever paints first after a change must already find the new colours.
  root.dataset['theme'] = dark.value ? 'dark' : 'light'
  return getComputedStyle(root).getPropertyValue(name).trim()
}

// SPDX-License-Identifier: Apache-2.0
// Every state is a URL. The path and its parameters live behind the '#', so that one index.html serves them
// all below any prefix. Nothing else in the page remembers where it is.
import { computed, signal } from '@preact/signals'

export type Patch = Record<string, string | null>

export interface Route {
  path: string[]
  params: URLSearchParams
}

/** What goes along from page to page. */
const GLOBAL = ['env', 'scope', 'last', 'from', 'to']

function parse(hash: string): Route {
  const text = hash.replace(/^#\/?/, '')
  const mark = text.indexOf('?')
  const path = mark < 0 ? text : text.slice(0, mark)
  return {
    path: path
      .split('/')
      .filter((part) => part !== '')
      .map(decode),
    params: new URLSearchParams(mark < 0 ? '' : text.slice(mark + 1)),
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

export const route = signal<Route>(parse(location.hash))
window.addEventListener('hashchange', () => (route.value = parse(location.hash)))

export const page = computed(() => route.value.path[0] ?? 'map')

export function param(name: string): string | null {
  return route.value.params.get(name)
}

function spell(path: string[], params: URLSearchParams): string {
  const query = params.toString().replaceAll('%3A', ':').replaceAll('%2C', ',')
  return `#/${path.map(encodeURIComponent).join('/')}${query === '' ? '' : `?${query}`}`
}

function merge(params: URLSearchParams, patch: Patch): URLSearchParams {
  for (const [key, value] of Object.entries(patch)) {
    if (value === null || value === '') params.delete(key)
    else params.set(key, value)
  }
  return params
}

/** The address of another page, in the same window, environment and scope. */
export function hrefTo(path: string[], patch: Patch = {}): string {
  const params = new URLSearchParams()
  for (const key of GLOBAL) {
    const value = route.value.params.get(key)
    if (value !== null) params.set(key, value)
  }
  return spell(path, merge(params, patch))
}

/** The address of this page with some parameters changed. */
export function hrefWith(patch: Patch): string {
  return spell(route.value.path, merge(new URLSearchParams(route.value.params), patch))
}

/** Goes to an address. `replace` leaves no entry in the history: for what changes while dragging. */
export function go(href: string, replace = false): void {
  if (href === location.hash) return
  if (replace) history.replaceState(null, '', href)
  else history.pushState(null, '', href)
  route.value = parse(href)
}

export function set(patch: Patch, replace = false): void {
  go(hrefWith(patch), replace)
}

window.addEventListener('popstate', () => (route.value = parse(location.hash)))

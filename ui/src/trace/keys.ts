// SPDX-License-Identifier: Apache-2.0
// Moving through the tree of a trace, and folding it, by keys.
import { useKeys } from '../base/keys'
import { param, set } from '../base/route'
import { panelPinned } from '../frame/pin'
import type { Row, Trace } from './model'

interface Moves {
  rows: () => Row[]
  /** Asked at the time of the key: keys may come faster than the page is drawn. */
  selected: () => Row | undefined
  folded: () => ReadonlySet<string>
  select: (row: Row) => void
  fold: (row: Row, on: boolean) => void
}

export function useTreeKeys({ rows, selected, folded, select, fold }: Moves, trace: Trace): void {
  const step = (by: number) => {
    const list = rows()
    const now = selected()
    const at = now ? list.findIndex((row) => row.index === now.index) : -1
    const next = list[Math.max(0, Math.min(list.length - 1, at + by))]
    if (next) select(next)
  }
  const into = () => {
    const now = selected()
    if (!now) return
    if (folded().has(now.span.span_id)) fold(now, false)
    else if (now.end > now.index + 1) step(1)
  }
  const out = () => {
    const now = selected()
    if (!now) return
    const open = now.end > now.index + 1 && !folded().has(now.span.span_id)
    const parent = trace.rows[now.parent]
    if (open) fold(now, true)
    else if (parent) select(parent)
  }
  const inTree = (event: KeyboardEvent) => (event.target as Element).getAttribute('role') !== 'slider'
  useKeys({
    j: () => {
      step(1)
    },
    k: () => {
      step(-1)
    },
    l: into,
    h: out,
    ArrowDown: (event) => inTree(event) && (step(1), true),
    ArrowUp: (event) => inTree(event) && (step(-1), true),
    ArrowRight: (event) => inTree(event) && (into(), true),
    ArrowLeft: (event) => inTree(event) && (out(), true),
    PageDown: () => {
      step(20)
    },
    PageUp: () => {
      step(-20)
    },
    Home: () => {
      step(-1e9)
    },
    End: () => {
      step(1e9)
    },
    Escape: () => {
      if (param('span') !== null && !panelPinned()) set({ span: null }, true)
      else if (param('t') !== null) set({ t: null }, true)
      else return false
      return true
    },
  })
}

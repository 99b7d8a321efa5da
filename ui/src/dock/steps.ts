// SPDX-License-Identifier: Apache-2.0
// Going through time by steps: from change to change, playing, comparing with what was just before.
import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { useKeys } from '../base/keys'
import { set } from '../base/route'
import { DEFAULT_LAST, livePatch, pin, pinnedPatch, timeWindow } from '../base/window'
import { comparedWith, stopComparing, vsText, type Stretch } from '../map/compare'
import type { Mark } from './marks'
import type { Frame } from './range'

/** Not part of the address: whoever opens a link does not want to be taken along. */
export const playing = signal(false)

/** A tick moves the window by one bar; the map follows as fast as the server answers. */
const TICK_MS = 250

/** The window that begins where the next (or previous) change is. */
export function stepTo(marks: Mark[], shown: Stretch, forward: boolean, now: number): Stretch | null {
  const length = shown.to - shown.from
  const times = [...new Set(marks.map((mark) => mark.at))].sort((a, b) => a - b)
  const at = forward
    ? times.find((time) => time > shown.from)
    : [...times].reverse().find((time) => time < shown.from)
  if (at === undefined) return null
  return { from: at, to: Math.min(at + length, Math.max(now, at + 60e3)) }
}

/** As long as the window shown and just before it. */
export function compareWithBefore(shown: Stretch): void {
  const length = shown.to - shown.from
  set({
    ...pinnedPatch(shown.from, shown.to),
    vs: vsText({ from: shown.from - length, to: shown.from }),
    show: null,
    node: null,
    edge: null,
  })
}

export interface Steps {
  previous: () => void
  next: () => void
  play: () => void
  compare: () => void
}

export function useSteps(marks: Mark[], frame: Frame, shown: Stretch, now: number): Steps {
  // Keys may come faster than the page is drawn: the address knows where the window is by now.
  const here = () => {
    const window = timeWindow.peek()
    return window.live ? shown : { from: window.from, to: window.to }
  }
  const go = (forward: boolean) => {
    playing.value = false
    const to = stepTo(marks, here(), forward, now)
    if (to) pin(to.from, to.to)
    else if (forward) set(livePatch(DEFAULT_LAST))
  }
  const steps = {
    previous: () => {
      go(false)
    },
    next: () => {
      go(true)
    },
    play: () => {
      if (!playing.value && shown.to >= now - 60e3) pin(frame.from, frame.from + shown.to - shown.from)
      playing.value = !playing.value
    },
    compare: () => {
      if (comparedWith()) stopComparing()
      else compareWithBefore(here())
    },
  }
  useKeys({ '[': steps.previous, ']': steps.next, ' ': onSpace(steps.play), c: steps.compare })
  useEffect(() => {
    if (!playing.value) return
    const timer = setTimeout(() => {
      const to = shown.to + frame.stepMs
      if (to >= now) {
        playing.value = false
        set(livePatch(DEFAULT_LAST))
      } else pin(shown.from + frame.stepMs, to, true)
    }, TICK_MS)
    return () => {
      clearTimeout(timer)
    }
  }, [playing.value, shown.from, shown.to])
  return steps
}

/** Space on a button, link or box presses that one. */
function onSpace(play: () => void) {
  return (event: KeyboardEvent) => {
    const target = event.target as Element
    if (target.closest('button, a, [role=button], [role=menu], [role=option], summary')) return false
    play()
    return true
  }
}

// SPDX-License-Identifier: Apache-2.0
// Cuts names to the room that a box has.
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
const context = document.createElement('canvas').getContext('2d')
const known = new Map<string, string>()

export function textWidth(text: string, size: number, weight = 400): number {
  if (!context) return text.length * size * 0.6
  context.font = `${weight} ${size}px ${FONT}`
  return context.measureText(text).width
}

export function cut(text: string, width: number, size: number, weight = 400): string {
  const key = `${weight} ${size} ${Math.floor(width)} ${text}`
  const before = known.get(key)
  if (before !== undefined) return before
  let out = text
  if (textWidth(text, size, weight) > width) {
    let low = 0
    let high = text.length
    while (low < high) {
      const half = (low + high + 1) >> 1
      if (textWidth(`${text.slice(0, half)}…`, size, weight) <= width) low = half
      else high = half - 1
    }
    out = `${text.slice(0, low)}…`
  }
  if (known.size > 20_000) known.clear()
  known.set(key, out)
  return out
}

/** How much narrower than drawn a name may be set before it is cut: fonts differ in width from the server's guess. */
const SQUEEZE = 1.2

/** A name for a width: as it is, set narrower, or cut. */
export function fit(
  text: string,
  width: number,
  size: number,
  weight = 400,
): { text: string; textLength?: number } {
  const wide = textWidth(text, size, weight)
  if (wide <= width) return { text }
  if (wide <= width * SQUEEZE) return { text, textLength: width }
  return { text: cut(text, width * SQUEEZE, size, weight), textLength: width }
}

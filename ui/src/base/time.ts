// SPDX-License-Identifier: Apache-2.0
// Times from the server have nanoseconds, which a double cannot hold; they are kept as whole milliseconds
// plus the nanoseconds below, and made relative before they are drawn.

export interface Moment {
  ms: number
  ns: number
}

export function moment(text: string): Moment {
  const dot = text.indexOf('.')
  if (dot < 0) return { ms: Date.parse(text), ns: 0 }
  let end = dot + 1
  while (end < text.length && text.charCodeAt(end) >= 48 && text.charCodeAt(end) <= 57) end++
  const digits = text
    .slice(dot + 1, end)
    .padEnd(9, '0')
    .slice(0, 9)
  const seconds = Date.parse(text.slice(0, dot) + text.slice(end))
  return { ms: seconds + Number(digits.slice(0, 3)), ns: Number(digits.slice(3)) }
}

/** Nanoseconds from `from` to `to`; exact up to 104 days. */
export function nsBetween(from: Moment, to: Moment): number {
  return (to.ms - from.ms) * 1e6 + (to.ns - from.ns)
}

export function ms(text: string): number {
  return moment(text).ms
}

function two(n: number): string {
  return String(n).padStart(2, '0')
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

export function clock(at: number): string {
  const date = new Date(at)
  return `${two(date.getHours())}:${two(date.getMinutes())}`
}

export function clockSeconds(at: number): string {
  return `${clock(at)}:${two(new Date(at).getSeconds())}`
}

export function day(at: number): string {
  const date = new Date(at)
  return `${date.getDate()} ${MONTHS[date.getMonth()] ?? ''}`
}

function sameDay(a: number, b: number): boolean {
  return new Date(a).toDateString() === new Date(b).toDateString()
}

/** 13:48 today, otherwise 3 Nov, 13:48. */
export function when(at: number, now = Date.now()): string {
  return sameDay(at, now) ? clock(at) : `${day(at)}, ${clock(at)}`
}

export function whenSeconds(at: number, now = Date.now()): string {
  return sameDay(at, now) ? clockSeconds(at) : `${day(at)}, ${clockSeconds(at)}`
}

export function span(from: number, to: number): string {
  return sameDay(from, to) ? `${when(from)} to ${clock(to)}` : `${when(from)} to ${when(to)}`
}

export function iso(at: number): string {
  return new Date(at).toISOString()
}

const UNITS: Record<string, number> = { s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3 }

/** 15m → milliseconds; null for anything else. */
export function lengthMs(text: string): number | null {
  const match = /^(\d{1,5})([smhd])$/.exec(text)
  const unit = UNITS[match?.[2] ?? '']
  return match && unit !== undefined ? Number(match[1]) * unit : null
}

export function lengthText(length: number): string {
  const minutes = Math.round(length / 60e3)
  if (length < 120e3 && length % 60e3 !== 0) return `${Math.round(length / 1e3)} s`
  if (minutes < 120 && minutes % 60 !== 0) return `${minutes} min`
  if (minutes < 2880) return `${Number((minutes / 60).toPrecision(3))} h`
  return `${Number((minutes / 1440).toPrecision(3))} days`
}

const NICE_MS = [
  1 / 60,
  1 / 30,
  1 / 12,
  1 / 6,
  1 / 4,
  1 / 2,
  1,
  2,
  5,
  10,
  15,
  30,
  60,
  120,
  180,
  360,
  720,
  1440,
  2880,
  10_080,
].map((minutes) => minutes * 60e3)

/** Times for an axis: at most `count` of them, on round local times. */
export function ticks(from: number, to: number, count: number): number[] {
  const step = NICE_MS.find((nice) => (to - from) / nice <= count) ?? 30 * 86_400e3
  const shift = new Date(from).getTimezoneOffset() * 60e3
  const out: number[] = []
  for (let at = Math.ceil((from - shift) / step) * step + shift; at <= to; at += step) out.push(at)
  return out
}

export function tickText(at: number, from: number, to: number): string {
  if (at % 60e3 !== 0) return clockSeconds(at)
  return to - from > 2 * 86_400e3 ? day(at) : clock(at)
}

// SPDX-License-Identifier: Apache-2.0
// Numbers for people: three significant digits and a unit; the exact value belongs into a title.

export interface Quantity {
  value: string
  unit: string
}

function three(n: number): string {
  return String(Number(n.toPrecision(3)))
}

/** 1240 → 1.24 k; below a thousand three significant digits. */
export function short(n: number): string {
  const size = Math.abs(n)
  if (size >= 999.5e9) return `${three(n / 1e12)} T`
  if (size >= 999.5e6) return `${three(n / 1e9)} G`
  if (size >= 999_500) return `${three(n / 1e6)} M`
  if (size >= 999.5) return `${three(n / 1e3)} k`
  return three(n)
}

/** 1234567.8912 → 1,234,567.891. By hand: toLocaleString makes a formatter each time, 0.1 ms of the first picture. */
export function exact(n: number): string {
  if (!Number.isFinite(n) || Math.abs(n) >= 1e21) return String(n)
  const [whole = '', part = ''] = Math.abs(n).toFixed(3).split('.')
  const rest = part.replace(/0+$/, '')
  const digits = whole.replace(/\B(?=(\d{3})+$)/g, ',') + (rest === '' ? '' : `.${rest}`)
  return n < 0 && digits !== '0' ? `-${digits}` : digits
}

export function rateOf(perMinute: number): Quantity {
  const text = short(perMinute)
  const [value = text, prefix = ''] = text.split(' ')
  return { value, unit: prefix === '' ? '/min' : `${prefix}/min` }
}

export function rate(perMinute: number): string {
  return `${short(perMinute)}/min`
}

export function shareOf(part: number, whole: number): Quantity {
  if (whole <= 0 || part === 0) return { value: '0', unit: '%' }
  const percent = (100 * part) / whole
  if (percent < 0.01) return { value: '< 0.01', unit: '%' }
  // "100 %" is said only when it is all of it.
  if (percent >= 99.95 && part < whole) return { value: '> 99.9', unit: '%' }
  return { value: String(Number(percent.toPrecision(percent < 1 ? 1 : percent < 10 ? 2 : 3))), unit: '%' }
}

export function share(part: number, whole: number): string {
  const { value, unit } = shareOf(part, whole)
  return `${value} ${unit}`
}

const DURATIONS: [number, string][] = [
  [86_400e9, 'd'],
  [3600e9, 'h'],
  [60e9, 'min'],
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'µs'],
]

export function durationOf(ns: number): Quantity {
  for (const [size, unit] of DURATIONS) {
    // 999.6 ms rounds to 1000 ms; it is to read 1 s.
    if (Math.abs(ns) >= size * 0.9995) return { value: three(ns / size), unit }
  }
  return { value: three(ns), unit: ns === 0 ? 'ms' : 'ns' }
}

export function duration(ns: number): string {
  const { value, unit } = durationOf(ns)
  return `${value} ${unit}`
}

export function exactDuration(ns: number): string {
  return `${exact(ns)} ns`
}

const BYTES: [number, string][] = [
  [1e12, 'TB'],
  [1e9, 'GB'],
  [1e6, 'MB'],
  [1e3, 'kB'],
]

export function bytes(n: number): string {
  for (const [size, unit] of BYTES) if (n >= size) return `${three(n / size)} ${unit}`
  return `${three(n)} B`
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${exact(n)} ${n === 1 ? one : many}`
}

/** 7c1f03…e09a: enough of an id to recognise it. */
export function shortId(id: string, head = 4, tail = 4): string {
  return id.length <= head + tail + 1 ? id : `${id.slice(0, head)}…${id.slice(-tail)}`
}

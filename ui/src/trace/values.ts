// SPDX-License-Identifier: Apache-2.0
// OTLP values as text, and as TraceQL would spell them.
import type { AnyValue } from '../api/types'
import { quoted } from '../traces/query'

export function valueText(value: AnyValue | undefined): string {
  if (!value) return ''
  if (value.stringValue !== undefined) return value.stringValue
  if (value.boolValue !== undefined) return String(value.boolValue)
  if (value.intValue !== undefined) return String(value.intValue)
  if (value.doubleValue !== undefined) return String(value.doubleValue)
  if (value.bytesValue !== undefined) return value.bytesValue
  if (value.arrayValue) return `[${(value.arrayValue.values ?? []).map(valueText).join(', ')}]`
  if (value.kvlistValue) {
    return `{${(value.kvlistValue.values ?? []).map((pair) => `${pair.key}: ${valueText(pair.value)}`).join(', ')}}`
  }
  return ''
}

/** The query for spans with the same value; null for lists and maps. */
export function sameValue(
  level: 'span' | 'resource',
  key: string,
  value: AnyValue | undefined,
): string | null {
  if (!value) return null
  const spelled =
    value.stringValue !== undefined
      ? quoted(value.stringValue)
      : value.boolValue !== undefined || value.intValue !== undefined || value.doubleValue !== undefined
        ? valueText(value)
        : null
  if (spelled === null || spelled.length > 300) return null
  const name = /^[\w.\-/]+$/.test(key) ? `${level}.${key}` : `${level}.${quoted(key)}`
  return `{ ${name} = ${spelled} }`
}

// SPDX-License-Identifier: Apache-2.0
// TraceQL text: conditions put in and taken out by clicking, and where the cursor stands for completion.
// The text is the only state: what a click adds can be edited, and what was typed is never rewritten.

export function quoted(value: string): string {
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
}

/** The inside of a query of one span filter; null when it is more than that. */
export function inside(query: string): string | null {
  const text = query.trim()
  if (text === '') return ''
  if (!text.startsWith('{') || !text.endsWith('}')) return null
  let inString = false
  for (let at = 1; at < text.length - 1; at++) {
    const char = text[at]
    if (inString && char === '\\') at++
    else if (char === '"') inString = !inString
    else if (!inString && (char === '{' || char === '}')) return null
  }
  return text.slice(1, -1).trim()
}

/** The conditions joined by && on the top level. */
export function conditions(query: string): string[] {
  const text = inside(query)
  if (text === null || text === '') return []
  const out: string[] = []
  let depth = 0
  let inString = false
  let start = 0
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (inString) {
      if (char === '\\') at++
      else if (char === '"') inString = false
    } else if (char === '"') inString = true
    else if (char === '(') depth++
    else if (char === ')') depth--
    else if (depth === 0 && text.startsWith('||', at)) return [text]
    else if (depth === 0 && text.startsWith('&&', at)) {
      out.push(text.slice(start, at).trim())
      start = at + 2
      at++
    }
  }
  out.push(text.slice(start).trim())
  return out.filter((part) => part !== '')
}

function spell(parts: string[]): string {
  return parts.length === 0 ? '' : `{ ${parts.join(' && ')} }`
}

/** The query with one more condition; one on the same subject and operator gives way. */
export function withCondition(query: string, condition: string): string {
  const text = inside(query)
  if (text === null) return `${query.trim()} && { ${condition} }`
  const subject = subjectOf(condition)
  const parts = conditions(query)
  if (parts.length === 1 && parts[0]?.includes('||')) return spell([`(${parts[0]})`, condition])
  return spell([...parts.filter((part) => part !== condition && subjectOf(part) !== subject), condition])
}

export function withoutCondition(query: string, condition: string): string {
  return spell(conditions(query).filter((part) => part !== condition))
}

/** `duration >` of `duration > 1s`: what a new condition replaces. */
function subjectOf(condition: string): string {
  const match = /^\s*([\w.:-]+)\s*(=~|!~|!=|>=|<=|=|>|<)/.exec(condition)
  if (!match) return condition
  return `${match[1] ?? ''} ${(match[2] ?? '').replace('>=', '>').replace('<=', '<')}`
}

/** A duration as TraceQL spells it, three digits. */
export function durationText(ns: number): string {
  for (const [size, unit] of [
    [1e9, 's'],
    [1e6, 'ms'],
    [1e3, 'us'],
  ] as const) {
    if (ns >= size) return `${Number((ns / size).toPrecision(3))}${unit}`
  }
  return `${Math.max(0, Math.round(ns))}ns`
}

export interface Spot {
  /** What is being typed. */
  what: 'key' | 'value' | 'operator'
  /** The attribute that a value is for. */
  key: string
  /** What is there already, from `start` to the cursor. */
  text: string
  start: number
}

const KEY = /[\w.:-]/

/** What the cursor stands in. */
export function spotAt(query: string, cursor: number): Spot {
  const before = query.slice(0, cursor)
  const value = /([\w.:-]+)\s*(=~|!~|!=|>=|<=|=|>|<)\s*("(?:[^"\\]|\\.)*|[\w.]*)$/.exec(before)
  if (value) {
    const text = value[3] ?? ''
    return { what: 'value', key: value[1] ?? '', text, start: cursor - text.length }
  }
  let start = cursor
  while (start > 0 && KEY.test(query[start - 1] ?? '')) start--
  const text = query.slice(start, cursor)
  const rest = query.slice(0, start).trimEnd()
  const afterKey = text === '' && /[\w.]$/.test(rest) && before.endsWith(' ')
  return { what: afterKey ? 'operator' : 'key', key: '', text, start }
}

export const INTRINSICS: Record<string, string[]> = {
  name: [],
  status: ['error', 'ok', 'unset'],
  kind: ['server', 'client', 'producer', 'consumer', 'internal'],
  duration: ['100ms', '500ms', '1s', '5s'],
  traceDuration: ['1s', '5s', '30s'],
  rootName: [],
  rootServiceName: [],
  statusMessage: [],
}

export const OPERATORS = ['=', '!=', '=~', '!~', '>', '>=', '<', '<=']

/** Where the server says the query is wrong: its message counts characters from 1, this from 0. */
export function errorPosition(message: string): number | null {
  const match = /\bcharacter (\d+)/i.exec(message)
  return match ? Math.max(0, Number(match[1]) - 1) : null
}

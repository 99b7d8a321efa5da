// SPDX-License-Identifier: Apache-2.0
// What the one search field finds: things on the map, operations, and traces by pasted id or typed query.
import type { MapNode, OperationItem } from '../api/types'
import { hrefTo } from '../base/route'
import { quoted } from '../traces/query'

export interface Found {
  key: string
  kind: string
  text: string
  note: string
  href: string
}

const TRACE_ID = /^[0-9a-f]{32}$/i
const SHORT_TRACE_ID = /^[0-9a-f]{16}$/i
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}/i
const MOST = 12

function unwrapped(text: string): string {
  return text
    .trim()
    .replace(/^traceparent\s*[:=]\s*/i, '')
    .replace(/^["']|["']$/g, '')
}

/** The trace id that a pasted text is or contains; null if it is none. */
export function traceIdIn(text: string): string | null {
  const wanted = unwrapped(text)
  const parent = TRACEPARENT.exec(wanted)?.[1]
  if (parent !== undefined) return parent.toLowerCase()
  const plain = wanted.replaceAll('-', '')
  if (TRACE_ID.test(plain)) return plain.toLowerCase()
  return SHORT_TRACE_ID.test(wanted) ? wanted.toLowerCase().padStart(32, '0') : null
}

/** The address behind a pasted trace id, traceparent, or text that contains one; null if it is none. */
export function pasted(text: string): string | null {
  const id = traceIdIn(text)
  const span = TRACEPARENT.exec(unwrapped(text))?.[2]
  return id === null ? null : hrefTo(['trace', id], span === undefined ? {} : { span: span.toLowerCase() })
}

/** 0 best; -1 no match. A name that begins with the text comes before one that contains it. */
function rank(name: string, text: string): number {
  const at = name.toLowerCase().indexOf(text)
  if (at < 0) return -1
  if (name.length === text.length) return 0
  return at === 0 ? 1 : /[^a-z0-9]/i.test(name[at - 1] ?? '') ? 2 : 3
}

const KINDS: Record<string, string> = { external: 'external system' }

function nodeNote(node: MapNode, names: Map<string, string>): string {
  if (node.type === 'table') return names.get(node.parent ?? '') ?? ''
  return node.system ?? node.environment ?? ''
}

/** order/48213 or order:48213: a business object. */
const ENTITY = /^([a-z][\w.-]{1,40})[/:]([\w.-]{1,120})$/i

function entityOf(text: string): Found[] {
  const [, type, id] = ENTITY.exec(text) ?? []
  if (type === undefined || id === undefined) return []
  const href = hrefTo(['entity', type, id])
  return [{ key: 'entity', kind: 'entity', text: `All that touched ${type} ${id}`, note: '', href }]
}

interface Ranked {
  order: number
  found: Found
}

function flowsNamed(flows: { name: string; runs: number }[], wanted: string): Ranked[] {
  return [...new Set(flows.map((flow) => flow.name))].flatMap((name) => {
    const order = rank(name, wanted)
    if (order < 0) return []
    const href = hrefTo(['flows', name])
    return [{ order: order + 0.25, found: { key: `flow ${name}`, kind: 'flow', text: name, note: '', href } }]
  })
}

export function find(
  text: string,
  nodes: MapNode[],
  operations: { service: string; item: OperationItem }[],
  flows: { name: string; runs: number }[],
): Found[] {
  const trace = pasted(text)
  if (trace !== null) return [{ key: 'trace', kind: 'trace', text: 'Open this trace', note: '', href: trace }]
  if (text.trim().startsWith('{')) {
    const href = hrefTo(['traces'], { q: text.trim() })
    return [{ key: 'query', kind: 'traces', text: 'Search traces with this query', note: '', href }]
  }
  const wanted = text.trim().toLowerCase()
  if (wanted === '') return []
  const names = new Map(nodes.map((node) => [node.id, node.name]))
  const ranked = flowsNamed(flows, wanted)
  for (const node of nodes) {
    const order = rank(node.name, wanted)
    if (order < 0) continue
    const kind = KINDS[node.type] ?? node.type
    const found = {
      key: node.id,
      kind,
      text: node.name,
      note: nodeNote(node, names),
      href: hrefTo(['map'], { node: node.id }),
    }
    ranked.push({ order, found })
  }
  for (const { service, item } of operations) {
    const order = rank(item.name, wanted)
    if (order < 0) continue
    const q = `{ resource.service.name = ${quoted(service)} && name = ${quoted(item.name)} }`
    const found = {
      key: `${service} ${item.name}`,
      kind: 'operation',
      text: item.name,
      note: service,
      href: hrefTo(['traces'], { q }),
    }
    ranked.push({ order: order + 0.5, found })
  }
  ranked.sort((a, b) => a.order - b.order || a.found.text.localeCompare(b.found.text))
  const out = [...entityOf(text.trim()), ...ranked.slice(0, MOST).map((entry) => entry.found)]
  const q = `{ name = ${quoted(text.trim())} }`
  out.push({
    key: 'name',
    kind: 'traces',
    text: `Spans named “${text.trim()}”`,
    note: '',
    href: hrefTo(['traces'], { q }),
  })
  return out
}

// SPDX-License-Identifier: Apache-2.0
// The rules of the map contract, in words: why an edge is there.
import type { MapNode, Relation } from '../api/types'

export const RULES: Record<string, string> = {
  paired: 'client and server span',
  'paired-async': 'producer and consumer span',
  'inferred-consumer': 'span below a publishing one',
  messaging: 'messaging span',
  'db.explicit': 'the span names the table',
  'db.summary': 'from the query’s summary',
  'db.text': 'from the query’s text',
  'db.name': 'from the span’s name',
  'peer.service': 'the span names its peer',
  'server.address': 'by the address called',
  'rpc.service': 'by the RPC service called',
  'http.host': 'by the host of the URL',
  flow: 'the span names flow and step',
}

export const COUNTED: Record<Relation, string> = {
  calls: 'Calls',
  reads: 'Reads',
  writes: 'Writes',
  accesses: 'Accesses',
  publishes: 'Messages',
  consumes: 'Messages',
  performs: 'Times',
  follows: 'Times',
}

export const TYPES: Record<string, string> = {
  service: 'service',
  database: 'database',
  table: 'table',
  queue: 'queue',
  external: 'external system',
  flow: 'flow',
  step: 'step',
  group: 'group',
}

export function nodeSub(node: MapNode, parent: MapNode | undefined): string {
  const parts = [TYPES[node.type] ?? node.type, node.system]
  if (parent) parts.push(`in ${parent.name}`)
  if (node.address !== undefined && node.address !== node.name) parts.push(node.address)
  parts.push(node.namespace !== node.name ? node.namespace : undefined, node.environment)
  if (node.scope !== 'default') parts.push(node.scope)
  return parts.filter((part) => part !== undefined && part !== '').join(' · ')
}
